//! The way to one region of one account: its clients, and what is found out once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::types::Filter;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::sync::OnceCell;

use super::answer::look;
use super::config::AwsConfig;
use super::credentials;
use super::fault::Fault;
use super::kind::Facts;

/// A page of a listing comes within seconds; after so long the line is dead.
pub const ANSWER: Duration = Duration::from_secs(30);
/// So many times that is how long a call may take with all its attempts.
const ANSWERS: u32 = 2;
/// Nobody is there when a connection takes longer.
const CONNECT: Duration = Duration::from_secs(5);
/// EC2 rations requests by the second; with the pauses growing this waits for some of them.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub struct Link {
    pub config: AwsConfig,
    pub ec2: aws_sdk_ec2::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    sts: aws_sdk_sts::Client,
    account: OnceCell<String>,
    /// What instance types have, as far as anybody asked.
    types: Mutex<BTreeMap<String, Facts>>,
}

impl Link {
    /// Makes the clients; `answer` is how long one attempt may take.
    ///
    /// # Errors
    /// [`Fault::Refused`] when there are no credentials.
    pub async fn open(config: AwsConfig, answer: Duration) -> Result<Self, Fault> {
        let sdk = configure(&config, answer).await?;
        Ok(Self {
            ec2: aws_sdk_ec2::Client::new(&sdk),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&sdk),
            sts: aws_sdk_sts::Client::new(&sdk),
            account: OnceCell::new(),
            types: Mutex::default(),
            config,
        })
    }

    /// Makes sure that the credentials are those of the declared account.
    ///
    /// # Errors
    /// [`Fault::Refused`] when they are of another one.
    pub async fn require_account(&self) -> Result<(), Fault> {
        let Some(declared) = &self.config.account else {
            return Ok(());
        };
        let account = self.account.get_or_try_init(|| self.ask_account()).await?;
        if account == declared {
            return Ok(());
        }
        Err(Fault::Refused(format!(
            "the credentials are of account {account}, and the cloud is declared with {declared}; \
             give it those of {declared}"
        )))
    }

    async fn ask_account(&self) -> Result<String, Fault> {
        let identity = self.sts.get_caller_identity().send().await;
        let identity = identity.map_err(look)?;
        Ok(identity.account().unwrap_or_default().to_owned())
    }

    pub fn types(&self) -> MutexGuard<'_, BTreeMap<String, Facts>> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn configure(config: &AwsConfig, answer: Duration) -> Result<SdkConfig, Fault> {
    let region = Region::new(config.region.clone());
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(answer)
        .operation_timeout(answer * ANSWERS)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE);
    let providers = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_http_client(http.clone())
        .with_retry_config(retries.clone())
        .with_timeout_config(timeouts.clone());
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
        // Attempts have an end of their own.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .no_credentials();
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let base = loader.load().await;
    let found = credentials::find(&config.credentials, &base, &providers).await?;
    Ok(base.into_builder().credentials_provider(found).build())
}

#[must_use]
pub fn filter(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    let values = values.into_iter().map(Into::into).collect();
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

/// What has the tag with that value.
#[must_use]
pub fn tagged(tag: &str, value: impl Into<String>) -> Filter {
    filter(&format!("tag:{tag}"), [value])
}
