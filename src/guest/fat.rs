//! A few small files as a FAT image, without any external tool.

use std::io::{Cursor, Write as _};

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

/// Bytes of the image: the smallest round size at which FAT12 has room to spare for a seed.
const SIZE: usize = 512 * 1024;

/// Every file is from the same day, so that equal files make equal images.
#[derive(Debug)]
struct Fixed;

static FIXED: Fixed = Fixed;

impl TimeProvider for Fixed {
    fn get_current_date(&self) -> Date {
        Date {
            year: 2020,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

/// Makes an image with that label and those files in its root.
///
/// # Errors
/// When the files do not fit.
pub fn image(label: [u8; 11], files: &[(&str, &[u8])]) -> std::io::Result<Vec<u8>> {
    let mut disk = Cursor::new(vec![0_u8; SIZE]);
    fatfs::format_volume(&mut disk, FormatVolumeOptions::new().volume_label(label))?;
    {
        let options = FsOptions::new().time_provider(&FIXED);
        let system = FileSystem::new(&mut disk, options)?;
        for (name, bytes) in files {
            let mut file = system.root_dir().create_file(name)?;
            file.write_all(bytes)?;
            file.flush()?;
        }
        system.unmount()?;
    }
    Ok(disk.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const LABEL: [u8; 11] = *b"CIDATA     ";

    #[test]
    fn what_is_written_is_read_back() {
        let long = vec![b'x'; 100_000];
        let made = image(LABEL, &[("user-data", &long), ("meta-data", b"id: 1\n")]).unwrap();
        let system = FileSystem::new(Cursor::new(made), FsOptions::new()).unwrap();
        assert_eq!(system.volume_label(), "CIDATA");
        let mut read = Vec::new();
        let mut file = system.root_dir().open_file("user-data").unwrap();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, long);
    }

    #[test]
    fn equal_files_make_equal_images() {
        let make = || image(LABEL, &[("a", b"1"), ("b", b"2")]).unwrap();
        assert_eq!(make(), make());
    }

    #[test]
    fn files_that_do_not_fit_are_an_error() {
        assert!(image(LABEL, &[("big", &vec![1; SIZE])]).is_err());
    }
}
