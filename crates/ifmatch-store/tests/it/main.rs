//! Tests of the store from outside, in one binary. Some run this binary again as a child that is to be killed.

mod bounds;
mod child;
mod concurrency;
mod crash;
mod device;
mod engines;
mod folder;
mod power;
