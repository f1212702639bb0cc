//! What came back from EC2 instead of what was asked for.
//!
//! The same silence means that nothing is known when something was looked at, and that something may
//! have been done when it was to be changed.

use std::error::Error;
use std::io;

use aws_sdk_ec2::error::{ConnectorError, ProvideErrorMetadata, SdkError};

use super::code::{is_breakdown, is_throttling};
use super::fault::{Answer, Fault};

/// The fault of a call that changes nothing.
pub fn look<E>(error: SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    looked(&error)
}

/// The same of an error that somebody else holds.
pub fn looked<E>(error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match heard(error) {
        Heard::Answer(answer) if is_throttling(&answer.code) || is_breakdown(&answer.code) => {
            Fault::Closed(answer.text())
        }
        Heard::Answer(answer) => Fault::Answer(answer),
        Heard::Unsent(words) => Fault::Refused(words),
        Heard::Nobody(words) | Heard::Nothing(words) => Fault::Closed(words),
    }
}

/// The fault of a call that changes something.
pub fn change<E>(error: SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match heard(&error) {
        Heard::Answer(answer) if is_throttling(&answer.code) => Fault::Closed(answer.text()),
        Heard::Answer(answer) if is_breakdown(&answer.code) => Fault::Lost(answer.text()),
        Heard::Answer(answer) => Fault::Answer(answer),
        Heard::Unsent(words) => Fault::Refused(words),
        Heard::Nobody(words) => Fault::Closed(words),
        Heard::Nothing(words) => Fault::Lost(words),
    }
}

enum Heard {
    Answer(Answer),
    /// Nobody was there to hear the request.
    Nobody(String),
    /// No answer, or one that is not EC2's.
    Nothing(String),
    /// It was not even sent.
    Unsent(String),
}

fn heard<E>(error: &SdkError<E>) -> Heard
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => {
                let message = service.err().message().unwrap_or_default();
                Heard::Answer(Answer::new(code, message))
            }
            None => Heard::Nothing(unreadable(service.raw().status().as_u16())),
        },
        SdkError::ResponseError(response) => {
            Heard::Nothing(unreadable(response.raw().status().as_u16()))
        }
        SdkError::ConstructionFailure(_) => Heard::Unsent(deepest(error)),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) if is_nobody(connector) => Heard::Nobody(deepest(error)),
            Some(_) | None => Heard::Nothing(deepest(error)),
        },
        SdkError::TimeoutError(_) => Heard::Nothing(deepest(error)),
        _ => Heard::Nothing(deepest(error)),
    }
}

fn unreadable(status: u16) -> String {
    format!("something else than EC2 answered, with the HTTP status {status}")
}

/// Whether the connection was never made, so that nobody has read the request.
pub fn is_nobody(error: &ConnectorError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
            );
        }
        next = error.source();
    }
    false
}

/// The words at the end of the chain, which say what it was.
pub fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
