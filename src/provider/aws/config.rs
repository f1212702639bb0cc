//! An account and region of AWS, as declared.

use std::collections::BTreeMap;

use crate::model::{Bastion, ProviderName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsConfig {
    pub provider: ProviderName,
    pub region: String,
    /// Twelve digits; credentials of another account neither look nor change anything.
    pub account: Option<String>,
    /// Where EC2 and STS answer, if not where those of the region usually do.
    pub endpoint: Option<String>,
    pub credentials: Credentials,
    /// The availability zone of which the default subnet is taken, when no subnet is given.
    pub zone: Option<String>,
    /// Its zone and its VPC are those of everything that is made.
    pub subnet: Option<String>,
    /// Empty: one of our own.
    pub security_groups: Vec<String>,
    /// The networks that our own security group lets in to SSH, as CIDRs.
    pub ssh_from: Vec<String>,
    pub reach: Reach,
    /// Through which machines are reached; `None`: directly.
    pub bastion: Option<Bastion>,
    pub key_pair: Option<String>,
    /// In order of preference.
    pub types: Vec<InstanceType>,
    /// On everything that is made, beside our own tags.
    pub tags: BTreeMap<String, String>,
}

/// Where credentials are found; never the credentials themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Wherever AWS's own tools would find them.
    Default,
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of the process.
    Environment,
    Profile(String),
    /// The role of the instance on which this process runs.
    Instance,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN` of the process.
    WebIdentity,
    Role {
        arn: String,
        external_id: Option<String>,
        from: Box<Credentials>,
    },
}

/// By which of its addresses a machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Public,
    Private,
}

/// A type of instance, with what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// Such as `t3.small`.
    pub name: String,
    pub cpus: u32,
    pub memory_mib: u64,
}
