//! What people tell of themselves, how they want to be told, and that they get all of it and lose all of it when they say
//! so: from the front door, on every engine.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

mod account;
mod dump;
mod erased;
mod told;

use bellbuoy_harness::on_pairs;

use account::*;
use erased::*;
use told::*;

on_pairs! {
    a_profile_is_changed_field_by_field
    names_and_numbers_are_somebodys_alone
    two_changes_at_once_both_stay
    a_picture_is_ones_own_file
    a_picture_is_shown_to_who_may_see_its_account
    a_device_belongs_to_one_account
    preferences_are_judged_and_kept_as_a_whole
    an_export_is_everything_and_nothing_of_others
    nothing_is_left_of_somebody_who_is_erased
    an_erasure_goes_on_where_it_was_interrupted
    the_last_admin_is_not_erased
}
