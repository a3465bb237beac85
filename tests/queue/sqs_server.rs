//! Does the server that stands for SQS in the tests do what SQS does, as far as the engine builds on it? Asked by its
//! protocol, past our client: a wrong server must fail here, not make the tests of the engine mean nothing.

use std::time::{Duration, Instant};

use bellbuoy_harness::sqs::{ask, endpoint};
use serde_json::{Value, json};

async fn call(action: &str, body: Value) -> Value {
    let (status, answer) = ask(&endpoint(), action, &body).await;
    assert_eq!(status, 200, "{action} {body}: {answer}");
    answer
}

async fn queue(name: &str, attributes: Value) -> String {
    let name = format!("s{}{name}", uuid::Uuid::new_v4().simple());
    let made = call("CreateQueue", json!({ "QueueName": name, "Attributes": attributes })).await;
    made["QueueUrl"].as_str().expect("a URL").to_owned()
}

async fn send(url: &str, body: &str, group: Option<(&str, &str)>) -> Value {
    let mut message = json!({ "QueueUrl": url, "MessageBody": body });
    if let Some((group, once)) = group {
        message["MessageGroupId"] = group.into();
        message["MessageDeduplicationId"] = once.into();
    }
    call("SendMessage", message).await
}

async fn receive(url: &str, most: usize, wait: u64) -> Vec<Value> {
    let asked = json!({ "QueueUrl": url, "MaxNumberOfMessages": most, "WaitTimeSeconds": wait,
                        "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"] });
    call("ReceiveMessage", asked).await["Messages"].as_array().cloned().unwrap_or_default()
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().expect("a body")).collect()
}

fn count(message: &Value) -> &str {
    message["Attributes"]["ApproximateReceiveCount"].as_str().expect("a count")
}

async fn change(url: &str, message: &Value, seconds: u64) {
    let receipt = &message["ReceiptHandle"];
    call(
        "ChangeMessageVisibility",
        json!({ "QueueUrl": url, "ReceiptHandle": receipt, "VisibilityTimeout": seconds }),
    )
    .await;
}

#[tokio::test]
async fn a_message_is_hidden_shown_again_and_counted() {
    let url = queue("", json!({ "VisibilityTimeout": "1" })).await;
    send(&url, "one", None).await;
    let first = receive(&url, 10, 0).await;
    assert_eq!((bodies(&first), count(&first[0])), (vec!["one"], "1"));
    assert!(receive(&url, 10, 0).await.is_empty(), "it is hidden");
    let all = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let told = call("GetQueueAttributes", all).await;
    assert_eq!(told["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "1");
    assert_eq!(told["Attributes"]["ApproximateNumberOfMessages"], "0");
    let second = receive(&url, 10, 5).await;
    assert_eq!((bodies(&second), count(&second[0])), (vec!["one"], "2"));
    assert_ne!(first[0]["ReceiptHandle"], second[0]["ReceiptHandle"]);
    change(&url, &second[0], 0).await;
    let third = receive(&url, 10, 0).await;
    assert_eq!(count(&third[0]), "3", "shown at once");
    let renewed = Instant::now();
    change(&url, &third[0], 3).await;
    assert!(receive(&url, 10, 2).await.is_empty(), "renewed beyond its first second");
    assert_eq!(bodies(&receive(&url, 10, 5).await), ["one"]);
    assert!(renewed.elapsed() >= Duration::from_millis(2900));
}

#[tokio::test]
async fn a_deleted_message_is_gone_and_a_wrong_receipt_is_told_among_right_ones() {
    let url = queue("", json!({ "VisibilityTimeout": "1" })).await;
    send(&url, "one", None).await;
    let got = receive(&url, 10, 0).await;
    let entries = json!([{ "Id": "0", "ReceiptHandle": got[0]["ReceiptHandle"] }, { "Id": "1", "ReceiptHandle": "wrong" }]);
    let done = call("DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    assert_eq!(done["Successful"][0]["Id"], "0");
    assert_eq!(
        (&done["Failed"][0]["Id"], &done["Failed"][0]["SenderFault"]),
        (&json!("1"), &json!(true))
    );
    assert!(receive(&url, 10, 2).await.is_empty());
}

#[tokio::test]
async fn a_long_poll_ends_when_something_comes() {
    let url = queue("", json!({})).await;
    let (waiting, start) = (
        tokio::spawn({
            let url = url.clone();
            async move { receive(&url, 10, 20).await }
        }),
        Instant::now(),
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    send(&url, "one", None).await;
    assert_eq!(bodies(&waiting.await.expect("answers")), ["one"]);
    assert!(start.elapsed() < Duration::from_secs(10));
    let start = Instant::now();
    assert!(receive(&url, 10, 1).await.is_empty());
    assert!(start.elapsed() >= Duration::from_millis(900), "it waits when there is nothing");
}

#[tokio::test]
async fn a_fifo_queue_keeps_the_order_of_a_group_and_its_repetitions_out() {
    let url = queue(".fifo", json!({ "FifoQueue": "true", "VisibilityTimeout": "30" })).await;
    for (body, group, once) in
        [("a1", "a", "1"), ("a1", "a", "1"), ("a2", "a", "2"), ("b1", "b", "3")]
    {
        send(&url, body, Some((group, once))).await;
    }
    let first = receive(&url, 1, 0).await;
    assert_eq!(bodies(&first), ["a1"]);
    let others = receive(&url, 10, 0).await;
    assert_eq!(bodies(&others), ["b1"], "the group waits for its first message");
    change(&url, &first[0], 0).await;
    assert_eq!(
        bodies(&receive(&url, 10, 0).await),
        ["a1", "a2"],
        "in order, and the first only once"
    );
    let (status, _) =
        ask(&endpoint(), "SendMessage", &json!({ "QueueUrl": url, "MessageBody": "c" })).await;
    assert_eq!(status, 400, "a message needs a group");
}

#[tokio::test]
async fn what_is_received_too_often_is_put_aside() {
    for (end, fifo) in [("", json!({})), (".fifo", json!({ "FifoQueue": "true" }))] {
        let dead = queue(end, fifo.clone()).await;
        let asked = json!({ "QueueUrl": dead, "AttributeNames": ["QueueArn"] });
        let arn = call("GetQueueAttributes", asked).await["Attributes"]["QueueArn"].clone();
        let mut attributes = fifo.clone();
        attributes["VisibilityTimeout"] = "1".into();
        attributes["RedrivePolicy"] =
            json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 2 }).to_string().into();
        let url = queue(end, attributes).await;
        send(&url, "poison", (!end.is_empty()).then_some(("g", "1"))).await;
        for _ in 0..2 {
            assert_eq!(bodies(&receive(&url, 10, 5).await), ["poison"]);
        }
        assert!(receive(&url, 10, 3).await.is_empty(), "not a third time");
        assert_eq!(bodies(&receive(&dead, 10, 3).await), ["poison"]);
    }
}

#[tokio::test]
async fn limits_are_limits() {
    let url = queue("", json!({})).await;
    let entries: Vec<Value> =
        (0..11).map(|n| json!({ "Id": n.to_string(), "MessageBody": "m" })).collect();
    let eleven = json!({ "QueueUrl": url, "Entries": entries });
    assert_eq!(ask(&endpoint(), "SendMessageBatch", &eleven).await.0, 400, "ten at most");
    let large = json!({ "QueueUrl": url, "MessageBody": "m".repeat((1 << 20) + 1) });
    assert_eq!(ask(&endpoint(), "SendMessage", &large).await.0, 400, "a mebibyte at most");
    let (status, error) =
        ask(&endpoint(), "GetQueueUrl", &json!({ "QueueName": "nobody-made-it" })).await;
    let kind = error["__type"].as_str().unwrap_or_default();
    assert!(
        status == 400 && kind.contains("DoesNotExist") || kind.contains("NonExistent"),
        "{error}"
    );
}
