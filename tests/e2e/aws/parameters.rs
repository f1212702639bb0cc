//! Images that a parameter of AWS Systems Manager names.

use metrom::model::RegisteredImage;
use metrom::port::ProviderError;

use super::bed::{AMD64, ARM64, Bed, NEWER, image};
use super::contract::{self, Env};
use super::proxy::refusal::Refusal;
use super::proxy::trouble::{Often, On, Trouble};

const NAME: &str = "/images/plain/latest";

async fn refused(bed: &Bed, words: &[&str]) {
    let provider = bed.prepared().await;
    let image = image(RegisteredImage::Parameter(NAME.to_owned()));
    let create = Env::new("shop").machine(&provider, &image, &[]);
    let error = contract::fails(&provider, create).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    for word in words {
        assert!(
            error.to_string().contains(word),
            "`{word}` is not in: {error}"
        );
    }
    assert_eq!(bed.proxy.calls("RunInstances"), 0);
}

#[tokio::test]
async fn the_image_is_the_one_that_the_parameter_names_when_the_machine_is_made() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let image = image(RegisteredImage::Parameter(NAME.to_owned()));
    for (env, ami) in [("one", AMD64), ("two", NEWER)] {
        bed.console.put_parameter(NAME, ami).await;
        let create = Env::new(env).machine(&provider, &image, &[]);
        let id = contract::done(&provider, create).await.expect("an id");
        let machines = bed.instances().await;
        let machine = machines.iter().find(|m| m.text_at("instanceId") == id.0);
        assert_eq!(machine.unwrap().text_at("imageId"), ami);
        bed.console.forget_parameter(NAME).await;
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_there_is_named() {
    let bed = Bed::new().await;
    refused(&bed, &[NAME, "eu-central-1 has no parameter", "`images`"]).await;
}

#[tokio::test]
async fn a_parameter_that_names_no_image_is_not_told() {
    let bed = Bed::new().await;
    bed.console.put_parameter(NAME, "hunter2").await;
    refused(&bed, &[NAME, "names no AMI"]).await;
}

#[tokio::test]
async fn a_parameter_that_may_not_be_read_is_a_matter_of_permissions() {
    let bed = Bed::new().await;
    let trouble = Trouble::Refuse(Refusal::parameter_denied());
    let on = On::Action("GetParameters");
    bed.proxy.arrange(on, Often::Always, trouble);
    refused(&bed, &["may not do this", "deploy/aws-policy.json"]).await;
}

#[tokio::test]
async fn the_image_that_a_parameter_names_must_fit_like_any_other() {
    let bed = Bed::new().await;
    bed.console.put_parameter(NAME, ARM64).await;
    refused(&bed, &["arm64"]).await;
}
