//! Waiting for a server, with an eye on the caller, and on how long it is silent and how slow it is.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;

use super::pace::{BYTES_PER_SECOND_MIN, Pace};
use super::{Http, TICK};

/// How long is waited at a stretch.
#[derive(Clone, Copy, Debug)]
pub(in crate::remote) struct Patience {
    /// Until the server is taken to be silent.
    pub(in crate::remote) silence: Duration,
    /// Until it is looked for the first time whether the caller is to stop.
    pub(in crate::remote) first_look: Duration,
}

/// Where the pieces of a body go.
pub(in crate::remote) type Sender = mpsc::Sender<Result<Bytes, io::Error>>;

/// A body that comes piece by piece: whole once all that was announced was sent, else broken off.
pub(in crate::remote) fn channel() -> (Sender, reqwest::Body) {
    let (pieces, taken) = mpsc::channel(1);
    let stream = stream::unfold(taken, |mut taken| async move { taken.recv().await.map(|piece| (piece, taken)) });
    (pieces, reqwest::Body::wrap_stream(stream))
}

impl Http {
    /// What `future` comes to, unless the caller is to stop, or the server keeps silent or is slow for too long.
    pub(in crate::remote) async fn within<T>(
        &self,
        future: impl Future<Output = T>,
        patience: Patience,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<T, RemoteError> {
        let mut future = pin!(future);
        let (begun, mut nap) = (Instant::now(), patience.first_look);
        loop {
            if let Ok(done) = tokio::time::timeout(nap, &mut future).await {
                pace.waited(begun.elapsed());
                return Ok(done);
            }
            deadline.check(&self.place)?;
            nap = TICK;
            if begun.elapsed() >= patience.silence {
                return Err(self.silent(patience.silence));
            }
            if pace.is_behind(begun.elapsed()) {
                pace.waited(begun.elapsed());
                return Err(self.slow());
            }
        }
    }

    /// Sends what `next` gives, a piece after the other, while `answer` is awaited; says what that is if it comes before all
    /// was sent. The last piece goes when it is sure that the caller still wants it: when this ends early, the body does too,
    /// shorter than was announced, and the server takes it for broken off.
    pub(in crate::remote) async fn feed<A: Future>(
        &self,
        mut answer: Pin<&mut A>,
        pieces: Sender,
        next: &mut dyn FnMut() -> Result<Option<Bytes>, RemoteError>,
        silence: Duration,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<Option<A::Output>, RemoteError> {
        let patience = Patience { silence, first_look: TICK };
        while let Some(piece) = next()? {
            deadline.check(&self.place)?;
            let n_bytes = piece.len();
            let sent = pin!(pieces.send(Ok(piece)));
            match self.within(select(answer.as_mut(), sent), patience, pace, deadline).await? {
                // It has heard enough.
                Either::Left((answer, _)) => return Ok(Some(answer)),
                Either::Right((Ok(()), _)) => {}
                // The connection is gone; the answer says why.
                Either::Right((Err(_), _)) => break,
            }
            self.keeps(pace, n_bytes)?;
        }
        Ok(None)
    }

    /// Goes on if the server, which took or sent so many bytes now, keeps up.
    pub(in crate::remote) fn keeps(&self, pace: &mut Pace, n_bytes: usize) -> Result<(), RemoteError> {
        pace.moved(n_bytes);
        if pace.is_behind(Duration::ZERO) { Err(self.slow()) } else { Ok(()) }
    }

    fn slow(&self) -> RemoteError {
        self.unreachable(format!("it is slower than any that works: slower than {} KiB/s", BYTES_PER_SECOND_MIN / 1024))
    }

    /// That nothing came for so long.
    pub(in crate::remote) fn silent(&self, silence: Duration) -> RemoteError {
        let so_long = match silence.as_secs() {
            0 => format!("{} milliseconds", silence.as_millis()),
            1 => "a second".to_owned(),
            seconds => format!("{seconds} seconds"),
        };
        self.unreachable(format!("it was silent for {so_long}"))
    }

    fn unreachable(&self, why: String) -> RemoteError {
        let late = io::Error::new(io::ErrorKind::TimedOut, why);
        RemoteError::Unreachable { place: self.place.clone(), source: late.into() }
    }
}
