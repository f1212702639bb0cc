//! The end of a machine's serial console, as EC2 keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::look;
use super::fault::Fault;
use super::link::Link;
use super::machine;
use crate::model::LiveId;
use crate::provider::console::plain;

/// Enough for the whole of a failed boot's last minute.
const END: usize = 16 << 10;

/// The end of what the machine has said, or nothing when nobody has kept it.
pub async fn end(link: &Link, id: &LiveId) -> Result<String, Fault> {
    machine::require(link, id).await?;
    let asked = link
        .ec2
        .get_console_output()
        .instance_id(&id.0)
        .latest(true);
    let answer = asked.send().await.map_err(look)?;
    let said = STANDARD.decode(answer.output().unwrap_or_default());
    // What cannot be read is as good as nothing, for people who look for a reason.
    let said = said.unwrap_or_default();
    let end = &said[said.len().saturating_sub(END)..];
    Ok(plain(end))
}
