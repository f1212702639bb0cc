//! What the codes of EC2's refusals say. Pure.

/// Nothing was done, because too much was asked at once.
#[must_use]
pub fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "EC2ThrottledException"
            | "SlowDown"
            | "ConcurrentTagAccess"
    )
}

/// Something inside EC2 broke, before or after it was done.
#[must_use]
pub fn is_breakdown(code: &str) -> bool {
    matches!(
        code,
        "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "Unavailable"
            | "RequestTimeout"
            | "RequestTimeoutException"
    )
}

/// There is none of what was asked for, and may be of something else.
#[must_use]
pub fn is_capacity(code: &str) -> bool {
    matches!(
        code,
        "InsufficientInstanceCapacity"
            | "InsufficientHostCapacity"
            | "InsufficientCapacity"
            | "ReservationCapacityExceeded"
            | "UnfulfillableCapacity"
            | "SpotMaxPriceTooLow"
    )
}

const QUOTA: &str =
    "a quota of the account is used up; end what is not needed, or ask AWS for more";

/// What to do where there is no room; `None`: that is not what it says.
#[must_use]
pub fn no_room(code: &str) -> Option<&'static str> {
    match code {
        code if is_capacity(code) => {
            Some("EC2 has none of this type left in this zone; it may later, or elsewhere")
        }
        "IncorrectSpotRequestState" => {
            Some("EC2 took the machine back, and starts it again when it has room")
        }
        "MaxSpotInstanceCountExceeded" => Some(QUOTA),
        "InsufficientVolumeCapacity" => Some("EC2 has no disk left in this zone"),
        "InsufficientFreeAddressesInSubnet" | "InsufficientAddressCapacity" => {
            Some("the subnet has no address left; declare a larger one")
        }
        "TagLimitExceeded" => None,
        code if is_throttling(code) => None,
        code if code.ends_with("LimitExceeded") => Some(QUOTA),
        _ => None,
    }
}

/// It was understood, and fits something that is no longer so.
#[must_use]
pub fn is_of_another_state(code: &str) -> bool {
    is_absence(code)
        || matches!(
            code,
            "IncorrectInstanceState"
                | "IncorrectState"
                | "IncorrectModificationState"
                | "VolumeInUse"
                | "InvalidAttachment.NotFound"
        )
}

/// Whether EC2 says that the machine or the volume is not there.
#[must_use]
pub fn is_absence(code: &str) -> bool {
    matches!(
        code,
        "InvalidInstanceID.NotFound"
            | "InvalidInstanceID.Malformed"
            | "InvalidVolume.NotFound"
            | "InvalidVolumeID.Malformed"
    )
}

/// What a person can do about it, where we know.
#[must_use]
pub fn next_move(code: &str) -> Option<&'static str> {
    Some(match code {
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            "the credentials may not do this; `deploy/aws-policy.json` is what they need"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "the credentials have expired, or the clock of this machine is wrong; renew them"
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => {
            "the credentials are not accepted; look at them, at `region`, and at whether the \
             account has this region"
        }
        "OptInRequired" | "Blocked" | "PendingVerification" => {
            "the account may not use this region or service yet; see to it in AWS's console"
        }
        "InvalidKeyPair.NotFound" => "look at `keyPair` of the cloud",
        "InvalidInstanceType" | "InvalidInstanceType.NotFound" => {
            "the region has no such type; look at `types` of the cloud"
        }
        "Unsupported" | "UnsupportedOperation" => {
            "the zone does not offer it; look at `types` and `network` of the cloud"
        }
        "TagLimitExceeded" => "an object takes 50 tags; declare fewer in `tags` of the cloud",
        "OperationNotPermitted" => "somebody protected it; take that back in AWS's console",
        "VolumeModificationRateExceeded" => "a volume changes once in six hours; try again later",
        code if code.starts_with("InvalidAMIID") => {
            "the image is not there for this account and region; look at `images` of the cloud"
        }
        code if code.starts_with("InvalidSubnet") => "look at `network.subnet` of the cloud",
        code if code.starts_with("InvalidGroup") || code.starts_with("InvalidSecurityGroup") => {
            "look at `network.securityGroups` of the cloud"
        }
        _ => return None,
    })
}
