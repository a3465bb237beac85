//! Does every engine of the files door keep its word? One suite, run on a disk behind our own API and on a strict server
//! of the S3 protocol; and what a kill in the middle of storing leaves behind.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;
mod engines;
mod kills;
mod s3_server;
mod suite;
mod suite_links;

/// One test per case.
macro_rules! cases {
    ($engine:ident $($module:ident { $($case:ident)* })*) => { $($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            crate::$module::$case(&crate::engines::Place::$engine().await).await;
        }
    )*)* };
}

/// The cases, on each of the engines.
macro_rules! engines {
    ($($engine:ident)+) => { $(
        mod $engine {
            cases! { $engine
                suite {
                    what_was_stored_is_read
                    what_is_large_is_read
                    parts_are_read
                    a_newer_file_takes_the_place_of_an_older
                    what_is_not_there_is_said
                    lists_are_in_order_and_go_on
                    projects_do_not_see_each_other
                    what_is_too_large_is_not_kept
                    what_broke_off_is_not_kept
                    what_was_given_up_is_not_kept
                    those_who_store_at_once_do_not_mix
                    probes_and_sweeps
                }
                suite_links {
                    a_link_is_good_for_anybody
                    a_link_is_good_for_its_file_and_its_time
                }
            }
        }
    )+ };
}

engines! { disk s3 }
