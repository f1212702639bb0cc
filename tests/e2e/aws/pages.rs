//! A large account, of which a listing shows a page at a time.

use metrom::model::LiveFields;

use super::bed::{AMD64, Bed};
use super::contract::{self, Env};

const LAUNCHES: usize = 6;
const EACH: usize = 50;

#[tokio::test]
async fn an_inventory_of_hundreds_is_complete_although_it_comes_in_pages() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let env = Env::new("shop");
    let create = env.machine(&provider, &super::plain(), &[]);
    let ours = contract::done(&provider, create).await.expect("an id");
    let count = EACH.to_string();
    for _ in 0..LAUNCHES {
        let launch = [
            ("ImageId", AMD64),
            ("InstanceType", "t3.nano"),
            ("MinCount", &count),
            ("MaxCount", &count),
        ];
        bed.console.ask("RunInstances", &launch).await;
    }
    bed.proxy.pages(100).await;
    let calls = bed.proxy.calls("DescribeInstances");
    let inventory = contract::seen(&provider).await;
    assert_eq!(bed.proxy.calls("DescribeInstances") - calls, 4);
    let is_machine = |o: &&metrom::model::Object| matches!(o.fields, LiveFields::Machine(_));
    let machines = inventory.objects.iter().filter(is_machine);
    let (stamped, foreign): (Vec<_>, Vec<_>) = machines.partition(|o| o.stamp.is_some());
    assert_eq!((stamped.len(), foreign.len()), (1, LAUNCHES * EACH));
    assert_eq!(stamped[0].id, ours);
}
