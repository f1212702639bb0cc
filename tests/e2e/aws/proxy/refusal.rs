//! The words in which EC2 refuses, and how it writes them.

use super::call::Call;
use super::wire::Answer;
use super::xml::Node;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// The request does not fit the state of things.
    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub fn throttled() -> Self {
        Self::new(503, "RequestLimitExceeded", "Request limit exceeded.")
    }

    pub fn internal() -> Self {
        Self::new(500, "InternalError", "An internal error has occurred")
    }

    pub fn no_capacity() -> Self {
        let message = "We currently do not have sufficient t3.nano capacity in the Availability Zone \
             you requested (eu-central-1a). Our system will be working on provisioning additional \
             capacity.";
        Self::new(500, "InsufficientInstanceCapacity", message)
    }

    pub fn no_spot_quota() -> Self {
        let message = "Max spot instance count exceeded";
        Self::bad("MaxSpotInstanceCountExceeded", message)
    }

    pub fn parameter_denied() -> Self {
        let message = "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: \
             ssm:GetParameters because no identity-based policy allows it";
        Self::bad("AccessDeniedException", message)
    }

    pub fn quota() -> Self {
        let message = "You have requested more vCPU capacity than your current vCPU limit of 5 \
             allows for the instance bucket that the specified instance type belongs to. Please visit \
             http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.";
        Self::bad("VcpuLimitExceeded", message)
    }

    pub fn unauthorized() -> Self {
        let message = "You are not authorized to perform this operation. User: \
             arn:aws:iam::123456789012:user/reader is not authorized to perform: ec2:{action} because \
             no identity-based policy allows the ec2:{action} action. Encoded authorization failure \
             message: c2VjcmV0";
        Self::new(403, "UnauthorizedOperation", message)
    }

    pub fn expired() -> Self {
        let message = "The security token included in the request is expired";
        Self::new(400, "ExpiredToken", message)
    }

    pub fn unknown_credentials() -> Self {
        let message = "AWS was not able to validate the provided access credentials";
        Self::new(401, "AuthFailure", message)
    }

    pub fn role_denied(role: &str) -> Self {
        let message = format!(
            "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: \
             sts:AssumeRole on resource: {role}"
        );
        Self::new(403, "AccessDenied", message)
    }

    /// The answer to a call, whose action the message may name.
    pub fn answer(&self, call: &Call) -> Answer {
        let message = self.message.replace("{action}", &call.action);
        if call.json.is_some() {
            return Answer {
                status: self.status,
                kind: "application/x-amz-json-1.1".to_owned(),
                body: format!(r#"{{"__type":"{}","message":"{message}"}}"#, self.code),
            };
        }
        let leaf = Node::leaf;
        let error = Node::new("Error")
            .with(leaf("Code", &self.code))
            .with(leaf("Message", &message));
        let id = "0d15e6f2-refused";
        let document = if call.is_of_sts() {
            Node::new("ErrorResponse")
                .with(error)
                .with(leaf("RequestId", id))
        } else {
            Node::new("Response")
                .with(Node::new("Errors").with(error))
                .with(leaf("RequestID", id))
        };
        Answer::xml(self.status, &document)
    }
}
