//! Where machines are made: an account and region of a cloud.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::placement::Only;
use super::unit::Size;
use crate::model::ImageName;

/// An account and region of a cloud in which machines are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudSpec {
    /// Whose cloud it is.
    pub provider: CloudProvider,
    /// The region, such as `ap-northeast-2`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*$"))]
    pub region: String,
    /// The account; nothing is changed when the credentials turn out to be of another one.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Where its API answers, if not where that of the region usually does.
    #[schemars(extend("format" = "http-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where the credentials are found; they are never in the repository.
    #[serde(default)]
    pub credentials: Credentials,
    /// The network that machines are attached to.
    #[serde(default)]
    pub network: CloudNetwork,
    /// A key pair of the account, for people who log in beside Metrom; none is needed.
    #[schemars(length(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pair: Option<String>,
    /// What is an image of ours here, by its name in the repository.
    pub images: BTreeMap<ImageName, CloudImage>,
    /// The types that machines may have, the preferred first: a machine has the first with room
    /// for what it asks.
    #[schemars(length(min = 1))]
    pub types: Vec<InstanceType>,
    /// Tags on everything that is made, beside those by which Metrom knows it.
    #[schemars(extend("propertyNames" = {"not": {"pattern": "^(metrom:|aws:|Name$)"}}))]
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Which environments it takes; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CloudProvider {
    /// Amazon EC2, or what speaks its API.
    Aws,
}

/// Where credentials are found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Credentials {
    /// Where the Metrom process looks for them.
    pub from: CredentialSource,
    /// The profile, with `from: profile`.
    #[schemars(length(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A role that is assumed with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<AssumedRole>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CredentialSource {
    /// Wherever the cloud's own tools would find them, in their order.
    #[default]
    Default,
    /// The environment of the process: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// A profile of `~/.aws/config` and `~/.aws/credentials`.
    Profile,
    /// The role of the instance on which Metrom runs.
    Instance,
    /// A token in a file: `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`.
    WebIdentity,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssumedRole {
    #[schemars(regex(pattern = r"^arn:[a-z-]+:iam::[0-9]{12}:role/.+$"))]
    pub arn: String,
    /// What the owner of the role asks for beside.
    #[schemars(length(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// A network of a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CloudNetwork {
    /// The subnet; without it, the default one of `zone`, or of the region's first zone.
    #[schemars(regex(pattern = r"^subnet-[0-9a-f]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The availability zone of which the default subnet is taken.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Security groups that are there; without any, Metrom makes one that lets in SSH alone.
    #[schemars(extend("items" = { "type": "string", "pattern": r"^sg-[0-9a-f]+$" }))]
    pub security_groups: Vec<String>,
    /// From where Metrom's own security group lets SSH in.
    #[schemars(extend("items" = { "type": "string", "format": "network" }))]
    pub ssh_from: Vec<String>,
    /// By which of its addresses a machine is reached.
    pub reach: Reach,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// By its public address.
    #[default]
    Public,
    /// By its private address: Metrom runs in that network, or has a way into it.
    Private,
}

/// An image that the cloud has: either by `id`, or the newest by `owner` and `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["id"] }, { "required": ["owner", "name"] }]))]
pub struct CloudImage {
    /// Such as `ami-0123456789abcdef0`.
    #[schemars(regex(pattern = r"^ami-[0-9a-f]+$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The account that publishes it, or `self`, `amazon`, `aws-marketplace`.
    #[schemars(regex(pattern = r"^([0-9]{12}|self|amazon|aws-marketplace)$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its name; `*` stands for any text.
    #[schemars(length(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A type of machine of a cloud, with what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceType {
    /// Such as `t3.small`.
    #[schemars(regex(pattern = r"^[a-z0-9-]+\.[a-z0-9-]+$"))]
    pub name: String,
    /// Virtual processors.
    #[schemars(range(min = 1, max = 512))]
    pub cpus: u32,
    /// Memory.
    pub memory: Size,
}
