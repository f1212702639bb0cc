//! Credentials by reference: where the declaration says they are found, they are asked for when they
//! are needed, and renewed before they expire. They are kept nowhere but in the SDK.

use std::error::Error;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{Region, SdkConfig};
use aws_sdk_ec2::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use super::answer::{deepest, looked};
use super::config::Credentials;
use super::fault::Fault;

/// How we are called in the account's own log when we have assumed a role.
const SESSION: &str = "metrom";

/// What leads to the credentials, which are there: they have been asked for once.
///
/// # Errors
/// [`Fault::Refused`] when none are found there, or the role may not be assumed.
pub async fn find(
    credentials: &Credentials,
    base: &SdkConfig,
    providers: &ProviderConfig,
) -> Result<SharedCredentialsProvider, Fault> {
    let found = source(credentials, base, providers).await;
    match found.provide_credentials().await {
        Ok(_) => Ok(found),
        Err(error) => Err(none(credentials, &error)),
    }
}

async fn source(
    credentials: &Credentials,
    base: &SdkConfig,
    providers: &ProviderConfig,
) -> SharedCredentialsProvider {
    let region = base.region().cloned();
    match credentials {
        Credentials::Default => {
            let region = region.unwrap_or_else(|| Region::new(String::new()));
            let chain = DefaultCredentialsChain::builder().configure(providers.clone());
            SharedCredentialsProvider::new(chain.region(region).build().await)
        }
        Credentials::Environment => {
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())
        }
        Credentials::Profile(name) => {
            let profile = ProfileFileCredentialsProvider::builder().configure(providers);
            SharedCredentialsProvider::new(profile.profile_name(name).build())
        }
        Credentials::Instance => {
            let instance = ImdsCredentialsProvider::builder().configure(providers);
            SharedCredentialsProvider::new(instance.build())
        }
        Credentials::WebIdentity => {
            let token = WebIdentityTokenCredentialsProvider::builder().configure(providers);
            SharedCredentialsProvider::new(token.build())
        }
        Credentials::Role {
            arn,
            external_id,
            from,
        } => {
            let from = Box::pin(source(from, base, providers)).await;
            let mut role = AssumeRoleProvider::builder(arn)
                .configure(base)
                .session_name(SESSION);
            if let Some(id) = external_id {
                role = role.external_id(id);
            }
            SharedCredentialsProvider::new(role.build_from_provider(from).await)
        }
    }
}

/// Why there are none, and where they were looked for.
fn none(credentials: &Credentials, error: &(dyn Error + 'static)) -> Fault {
    if let Some(fault) = said_by_sts(error) {
        return fault;
    }
    let reason = deepest(error);
    Fault::Refused(format!("{} ({reason})", wanted(credentials)))
}

fn wanted(credentials: &Credentials) -> String {
    match credentials {
        Credentials::Default => {
            "no credentials were found; set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or \
             declare `credentials` of the cloud"
                .to_owned()
        }
        Credentials::Environment => "no credentials are in the environment; set \
             `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"
            .to_owned(),
        Credentials::Profile(name) => format!(
            "the profile `{name}` gives no credentials; look at `~/.aws/config` and \
             `~/.aws/credentials`"
        ),
        Credentials::Instance => {
            "this machine is no instance with a role; declare other `credentials` of the cloud"
                .to_owned()
        }
        Credentials::WebIdentity => "no token was exchanged for credentials; look at \
             `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`"
            .to_owned(),
        Credentials::Role { arn, from, .. } => {
            format!("the role {arn} cannot be assumed: {}", wanted(from))
        }
    }
}

/// What STS said, if it was asked and said anything.
fn said_by_sts(error: &(dyn Error + 'static)) -> Option<Fault> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<SdkError<AssumeRoleError>>() {
            return Some(looked(error));
        }
        if let Some(error) = error.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError>>() {
            return Some(looked(error));
        }
        next = error.source();
    }
    None
}
