//! Parameters of AWS Systems Manager that name an AMI: where those who publish images say which is the
//! newest.
//!
//! `RunInstances` would look one up by itself; but what an image fits can be asked only of its id.

use super::answer::look;
use super::fault::Fault;
use super::link::Link;

/// The id of the AMI that the parameter names now.
///
/// # Errors
/// [`Fault::Refused`] when there is no such parameter, or it names none. What else it says is told to
/// nobody: it may be a secret.
pub async fn ami(link: &Link, name: &str) -> Result<String, Fault> {
    let answer = link.ssm.get_parameters().names(name).send().await;
    let answer = answer.map_err(look)?;
    let Some(parameter) = answer.parameters().first() else {
        return Err(Fault::Refused(format!(
            "{} has no parameter `{name}`; look at `images` of the cloud",
            link.config.region
        )));
    };
    match parameter.value().filter(|value| value.starts_with("ami-")) {
        Some(id) => Ok(id.to_owned()),
        None => Err(Fault::Refused(format!(
            "the parameter `{name}` names no AMI; look at `images` of the cloud"
        ))),
    }
}
