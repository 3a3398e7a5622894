//! What the tests of every crate build on: real Git repositories in temporary folders, isolated from the machine.
//!
//! [`repo::TestRepo`] makes repositories, [`home::TestHome`] runs the program under test, [`fingerprint::Fingerprint`] proves that
//! nothing of the user's was touched, [`git_tree::git_tree_of`] asks Git itself what a snapshot should hold,
//! [`synthetic::Synthetic`] makes large trees from a seed, [`tmpfs::Tmpfs`] is a disk that can be filled.
//!
//! [`http_git::HttpGit`] and [`ssh_git::SshGit`] are Git servers on the loopback interface, [`fleet::Fleet`] is several
//! devices that share a remote, [`pulsar::Pulsar`] does what git-pulsar does.
//!
//! [`agentsview`] runs the real agentsview, [`postgres::Server`] a real PostgreSQL, [`wire::Proxy`] is a connection that can be cut.
//! [`patience`] waits for what nobody tells. With the feature `s3` there is `s3::S3`, a bucket.
//!
//! Everything here panics when it cannot do its work: a test that cannot be set up has failed.
//!
//! ```
//! use carry_testkit::{fingerprint::Fingerprint, git_tree::git_tree_of, repo::TestRepo};
//!
//! let repo = TestRepo::new();
//! repo.write("a.txt", "one\n").commit_all("first").write("a.txt", "two\n");
//! let before = Fingerprint::of(repo.root());
//! let tree = git_tree_of(repo.root());
//! assert_eq!(tree.entries[0].1, repo.git(["hash-object", "a.txt"]).trim_end());
//! Fingerprint::of(repo.root()).assert_same_as(&before);
//! ```

pub mod agentsview;
pub mod apache;
#[cfg(feature = "dav")]
pub mod dav;
pub mod fingerprint;
pub mod fleet;
pub mod git;
pub mod git_tree;
pub mod home;
pub mod http_git;
#[cfg(any(feature = "dav", feature = "s3"))]
mod loopback;
pub mod patience;
mod port;
pub mod postgres;
pub mod pulsar;
pub mod repo;
pub mod rng;
#[cfg(feature = "s3")]
pub mod s3;
pub mod ssh_git;
pub mod synthetic;
pub mod tmpfs;
pub mod wire;
