//! The smallest guest: it talks and does nothing.

/// A boot sector that writes its text to the first serial port and halts.
pub fn boot_sector(text: &[u8]) -> Vec<u8> {
    ending(text, [0xfa, 0xf4, 0xeb, 0xfc]) // end: cli; hlt; jmp end
}

/// One that then lets the firmware go on with the next device.
pub fn passing_boot_sector(text: &[u8]) -> Vec<u8> {
    ending(text, [0xcd, 0x18, 0xeb, 0xfe]) // int 0x18; end: jmp end
}

fn ending(text: &[u8], end: [u8; 4]) -> Vec<u8> {
    let code = [
        0x31, 0xc0, 0x8e, 0xd8, 0xfc, // xor ax, ax; mov ds, ax; cld
        0xbe, 0x17, 0x7c, // mov si, text
        0xac, 0x84, 0xc0, 0x74, 0x06, // next: lodsb; test al, al; jz end
        0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5, // mov dx, 0x3f8; out dx, al; jmp next; end:
    ];
    let mut sector = [&code, &end[..], text].concat();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}
