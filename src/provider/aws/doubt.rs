//! Whether a creation may have been done although its last attempt certainly was not.
//!
//! The SDK tries again by itself and tells only how the last attempt ended. When the first of them
//! was done and its answer got lost, and the next were throttled, "throttled" would be a lie.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_ec2::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::{BoxError, ProvideErrorMetadata, SdkError};

use super::answer::{change, is_nobody};
use super::code::is_breakdown;
use super::fault::{Fault, MISMATCH};

/// Watches the attempts of one call.
#[derive(Debug, Clone, Default)]
pub struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// The fault of the call, certain only when no attempt leaves a doubt.
    pub fn judge<E>(&self, error: SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let fault = change(error);
        if fault.is(&[MISMATCH]) || !self.0.load(Ordering::Relaxed) {
            return fault;
        }
        Fault::Lost(fault.words())
    }
}

impl Intercept for Doubt {
    fn name(&self) -> &'static str {
        "Doubt"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_doubtful(context) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn is_doubtful(context: &FinalizerInterceptorContextRef<'_>) -> bool {
    let Some(Err(error)) = context.output_or_error() else {
        return false;
    };
    if let Some(connector) = error.as_connector_error() {
        return !is_nobody(connector);
    }
    if error.is_timeout_error() {
        return true;
    }
    let body = context.response().and_then(|r| r.body().bytes());
    body.is_some_and(|body| code(body).is_none_or(is_breakdown))
}

/// The code in an answer of EC2.
fn code(body: &[u8]) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_from_an_answer_and_from_nothing_else() {
        let answer =
            b"<Response><Errors><Error><Code>Unavailable</Code></Error></Errors></Response>";
        assert_eq!(code(answer), Some("Unavailable"));
        assert_eq!(code(b"<html>502 Bad Gateway</html>"), None);
    }
}
