//! Making the queues as they have to be, and saying what is wrong with them where we may not.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde::{Deserialize, Serialize};

use super::client::seconds;
use super::{QueueState, SqsQueue};
use crate::QueueError;

/// How long SQS keeps a message: as long as a job of an unknown kind is waited with, and some more. Its row is the truth.
const KEPT: &str = "345600";
/// How long SQS keeps what was put aside: as long as it can.
const KEPT_DEAD: &str = "1209600";

/// The attribute of a queue that says what is put aside, and where.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redrive {
    dead_letter_target_arn: String,
    #[serde(deserialize_with = "number")]
    max_receive_count: u32,
}

/// SQS takes the number as a number or a text and gives it back as it likes.
fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().map_err(serde::de::Error::custom)
}

type Attributes = HashMap<Attribute, String>;

impl SqsQueue {
    /// Makes the queues that are missing and changes what is not right about those that are there; answers what it did.
    ///
    /// # Errors
    /// When SQS does not answer, or does not let us: then it says what is missing.
    pub async fn prepare(&self) -> Result<Vec<String>, QueueError> {
        let mut done = Vec::new();
        for state in &self.states {
            let dead =
                self.prepare_one(&state.dead_name, self.dead_attributes(), &mut done).await?;
            let arn = self.arn(&state.dead_name, &dead).await?;
            let attributes = self.attributes(&arn)?;
            self.prepare_one(&state.name, attributes, &mut done).await?;
        }
        Ok(done)
    }

    async fn prepare_one(
        &self,
        name: &str,
        wanted: Attributes,
        done: &mut Vec<String>,
    ) -> Result<String, QueueError> {
        let url = match self.client.url(name).await {
            Ok(url) => url,
            Err(refusal) if refusal.is_missing() => {
                let mut attributes = wanted;
                attributes.extend(self.unchangeable());
                let created = self.client.create(name, attributes).await.map_err(|refusal| {
                    let kind = if self.place.fifo { "FIFO" } else { "standard" };
                    QueueError(format!(
                        "there is no SQS queue {name}, and it can't be made here ({refusal}): make a {kind} queue of \
                         that name, or allow sqs:CreateQueue"
                    ))
                })?;
                done.push(format!("SQS queue {name}"));
                return Ok(created);
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let there = self.client.attributes(&url, &[Attribute::All]).await?;
        let wrong: Attributes = wanted
            .into_iter()
            .filter(|(attribute, wanted)| !is_so(attribute, there.get(attribute), wanted))
            .collect();
        if !wrong.is_empty() {
            let names: Vec<&str> = wrong.keys().map(Attribute::as_str).collect();
            let names = names.join(", ");
            self.client.change(&url, wrong.clone()).await.map_err(|refusal| {
                let told: Vec<String> =
                    wrong.iter().map(|(name, value)| format!("{name}={value}")).collect();
                QueueError(format!(
                    "SQS queue {name} is not as it has to be, and can't be changed here ({refusal}): set {}, or allow \
                     sqs:SetQueueAttributes",
                    told.join(", ")
                ))
            })?;
            done.push(format!("SQS queue {name} ({names})"));
        }
        Ok(url)
    }

    /// What is wrong with the queues; nothing when all is well.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn check(&self) -> Result<Vec<String>, QueueError> {
        let mut wrong = Vec::new();
        for state in &self.states {
            self.check_one(state, &mut wrong).await?;
        }
        Ok(wrong)
    }

    async fn check_one(
        &self,
        state: &QueueState,
        wrong: &mut Vec<String>,
    ) -> Result<(), QueueError> {
        let mut found = Vec::new();
        for name in [&state.name, &state.dead_name] {
            match self.client.url(name).await {
                Ok(url) => found.push(url),
                Err(refusal) if refusal.is_missing() => {
                    wrong.push(format!("there is no SQS queue {name}: run `bellbuoy migrate`"));
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        let [url, dead] = &found[..] else { return Ok(()) };
        let arn = self.arn(&state.dead_name, dead).await?;
        let there = self.client.attributes(url, &[Attribute::All]).await?;
        for (attribute, wanted) in self.attributes(&arn)? {
            if !is_so(&attribute, there.get(&attribute), &wanted) {
                let is = there.get(&attribute).map_or("nothing", String::as_str);
                wrong.push(format!(
                    "{attribute} of SQS queue {} is {is}, not {wanted}: run `bellbuoy migrate`",
                    state.name
                ));
            }
        }
        Ok(())
    }

    async fn arn(&self, name: &str, url: &str) -> Result<String, QueueError> {
        let all = self.client.attributes(url, &[Attribute::QueueArn]).await?;
        let arn = all.get(&Attribute::QueueArn).cloned();
        arn.ok_or_else(|| QueueError(format!("SQS does not tell the ARN of queue {name}")))
    }

    fn attributes(&self, dead: &str) -> Result<Attributes, QueueError> {
        let redrive = Redrive {
            dead_letter_target_arn: dead.to_owned(),
            max_receive_count: self.place.max_receives,
        };
        let redrive = serde_json::to_string(&redrive);
        let redrive = redrive.map_err(|error| QueueError(error.to_string()))?;
        let mut attributes = self.dead_attributes();
        attributes.extend([
            (Attribute::RedrivePolicy, redrive),
            (Attribute::MessageRetentionPeriod, KEPT.to_owned()),
        ]);
        Ok(attributes)
    }

    fn dead_attributes(&self) -> Attributes {
        // Each receipt says these two itself; as attributes they are for whoever looks with other tools.
        let mut attributes = Attributes::from([
            (Attribute::VisibilityTimeout, seconds(self.lease).to_string()),
            (Attribute::ReceiveMessageWaitTimeSeconds, seconds(self.place.wait).to_string()),
            (Attribute::MessageRetentionPeriod, KEPT_DEAD.to_owned()),
        ]);
        if self.place.fifo {
            // Groups do not share a limit of 300 calls a second.
            attributes.extend([
                (Attribute::DeduplicationScope, "messageGroup".to_owned()),
                (Attribute::FifoThroughputLimit, "perMessageGroupId".to_owned()),
            ]);
        }
        attributes
    }

    fn unchangeable(&self) -> Attributes {
        let fifo = self.place.fifo.then(|| (Attribute::FifoQueue, "true".to_owned()));
        fifo.into_iter().collect()
    }
}

fn is_so(attribute: &Attribute, is: Option<&String>, wanted: &str) -> bool {
    let Some(is) = is else { return false };
    if *attribute != Attribute::RedrivePolicy {
        return is == wanted;
    }
    let read = |text: &str| serde_json::from_str::<Redrive>(text).ok();
    read(is).is_some_and(|is| Some(is) == read(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_is_the_same_however_it_is_written() {
        let wanted = r#"{"deadLetterTargetArn":"arn:x","maxReceiveCount":10}"#;
        let same = r#"{ "maxReceiveCount": "10", "deadLetterTargetArn": "arn:x" }"#.to_owned();
        let policy = Attribute::RedrivePolicy;
        assert!(is_so(&policy, Some(&same), wanted));
        for other in [same.replace("10", "3"), same.replace("arn:x", "arn:y"), "{}".to_owned()] {
            assert!(!is_so(&policy, Some(&other), wanted), "{other}");
        }
        assert!(!is_so(&policy, None, wanted));
        assert!(is_so(&Attribute::VisibilityTimeout, Some(&"25".to_owned()), "25"));
    }
}
