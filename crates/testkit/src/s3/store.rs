//! Files in memory, as S3 keeps them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CommonPrefix, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
    DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input, ListObjectsV2Output, MultipartUpload,
    Object, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use super::{BUCKET, Conditions, lock};

/// Smallest part but for the last one, as Amazon has it.
const PART_BYTES_MIN: usize = 5 << 20;

/// What the bucket holds.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) files: BTreeMap<String, File>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) conditions: Conditions,
    writes: u64,
}

/// A file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) bytes: Bytes,
    /// The number of the write that made it.
    write: u64,
}

/// An upload of parts that was begun.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    begun: SystemTime,
    parts: BTreeMap<i32, Bytes>,
}

impl Store {
    pub(super) fn write(&mut self, key: &str, bytes: Bytes) {
        self.writes += 1;
        self.files.insert(key.to_owned(), File { bytes, write: self.writes });
    }

    pub(super) fn begin(&mut self, key: &str, begun: SystemTime) -> String {
        self.writes += 1;
        let id = format!("upload<{}>", self.writes);
        self.uploads.insert(id.clone(), Upload { key: key.to_owned(), begun, parts: BTreeMap::new() });
        id
    }

    fn may_write(&self, key: &str, condition: Option<&ETagCondition>) -> S3Result<()> {
        match (condition, self.conditions) {
            (None, _) | (_, Conditions::Ignored) => Ok(()),
            (Some(_), Conditions::Unknown) => Err(s3_error!(NotImplemented)),
            (Some(condition), Conditions::Kept) if condition.is_any() && self.files.contains_key(key) => {
                Err(s3_error!(PreconditionFailed))
            }
            (Some(_), Conditions::Kept) => Ok(()),
        }
    }

    fn file(&self, key: &str) -> S3Result<File> {
        self.files.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }
}

impl File {
    fn tag(&self) -> ETag {
        ETag::Strong(format!("w{}", self.write))
    }
}

/// The bucket as a service.
pub(super) struct Service(pub(super) Arc<Mutex<Store>>);

impl Service {
    fn store(&self, bucket: &str) -> S3Result<MutexGuard<'_, Store>> {
        if bucket == BUCKET { Ok(lock(&self.0)) } else { Err(s3_error!(NoSuchBucket)) }
    }
}

async fn whole(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let whole = body.try_fold(BytesMut::new(), |mut whole, piece| async move {
        whole.extend_from_slice(&piece);
        Ok(whole)
    });
    whole.await.map(BytesMut::freeze).map_err(|_| s3_error!(IncompleteBody))
}

fn length(bytes: usize) -> Option<i64> {
    i64::try_from(bytes).ok()
}

#[async_trait::async_trait]
impl s3s::S3 for Service {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let bytes = whole(input.body).await?;
        let mut store = self.store(&input.bucket)?;
        store.may_write(&input.key, input.if_none_match.as_ref())?;
        store.write(&input.key, bytes);
        let e_tag = Some(store.file(&input.key)?.tag());
        Ok(S3Response::new(PutObjectOutput { e_tag, ..Default::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let file = self.store(&input.bucket)?.file(&input.key)?;
        let size = file.bytes.len();
        let (bytes, content_range) = match input.range {
            None => (file.bytes.clone(), None),
            Some(range) => {
                let range = range.check(size as u64)?;
                let said = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                let index = |at: u64| usize::try_from(at).map_err(|_| s3_error!(InvalidRange));
                (file.bytes.slice(index(range.start)?..index(range.end)?), Some(said))
            }
        };
        let output = GetObjectOutput {
            content_length: length(bytes.len()),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            content_range,
            e_tag: Some(file.tag()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let file = self.store(&input.bucket)?.file(&input.key)?;
        let (content_length, e_tag) = (length(file.bytes.len()), Some(file.tag()));
        Ok(S3Response::new(HeadObjectOutput { content_length, e_tag, ..Default::default() }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.store(&input.bucket)?.files.remove(&input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let store = self.store(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().filter(|delimiter| !delimiter.is_empty());
        let max = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or_default().min(1000);
        let is_encoded = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == "url");
        let shown = |text: &str| if is_encoded { encoded(text) } else { text.to_owned() };
        let mut after = input.continuation_token.clone().or(input.start_after.clone()).unwrap_or_default();
        let (mut contents, mut folders, mut is_truncated) = (Vec::new(), Vec::<String>::new(), false);
        for (key, file) in store.files.range::<str, _>((Bound::Excluded(&*after.clone()), Bound::Unbounded)) {
            let Some(rest) = key.strip_prefix(&*prefix) else { continue };
            let folder =
                delimiter.as_ref().and_then(|delimiter| Some(&rest[..rest.find(&**delimiter)? + delimiter.len()]));
            let folder = folder.map(|folder| format!("{prefix}{folder}"));
            if folder.as_ref().is_some_and(|folder| folders.last() == Some(folder) || after.starts_with(&**folder)) {
                continue;
            }
            if contents.len() + folders.len() == max {
                is_truncated = true;
                break;
            }
            after.clone_from(key);
            match folder {
                Some(folder) => folders.push(folder),
                None => contents.push(Object {
                    key: Some(shown(key)),
                    size: length(file.bytes.len()),
                    e_tag: Some(file.tag()),
                    ..Default::default()
                }),
            }
        }
        let common_prefixes =
            folders.iter().map(|folder| CommonPrefix { prefix: Some(shown(folder)) }).collect::<Vec<_>>();
        let output = ListObjectsV2Output {
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            is_truncated: Some(is_truncated),
            next_continuation_token: is_truncated.then_some(after),
            encoding_type: input.encoding_type,
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let id = self.store(&input.bucket)?.begin(&input.key, SystemTime::UNIX_EPOCH);
        Ok(S3Response::new(CreateMultipartUploadOutput { upload_id: Some(id), ..Default::default() }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let bytes = whole(input.body).await?;
        let mut store = self.store(&input.bucket)?;
        let upload = store.uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let e_tag = Some(ETag::Strong(format!("p{}-{}", input.part_number, bytes.len())));
        upload.parts.insert(input.part_number, bytes);
        Ok(S3Response::new(UploadPartOutput { e_tag, ..Default::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let mut store = self.store(&input.bucket)?;
        store.may_write(&input.key, input.if_none_match.as_ref())?;
        let upload = store.uploads.get(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let mut file = BytesMut::new();
        for (n, part) in (1..).zip(&named) {
            let bytes = upload.parts.get(&n).filter(|_| part.part_number == Some(n));
            let bytes = bytes.ok_or_else(|| s3_error!(InvalidPart))?;
            if part.e_tag != Some(ETag::Strong(format!("p{n}-{}", bytes.len()))) {
                return Err(s3_error!(InvalidPart));
            }
            if bytes.len() < PART_BYTES_MIN && usize::try_from(n) != Ok(named.len()) {
                return Err(s3_error!(EntityTooSmall));
            }
            file.extend_from_slice(bytes);
        }
        store.uploads.remove(&input.upload_id);
        store.write(&input.key, file.freeze());
        let e_tag = Some(store.file(&input.key)?.tag());
        Ok(S3Response::new(CompleteMultipartUploadOutput { e_tag, ..Default::default() }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        match self.store(&input.bucket)?.uploads.remove(&input.upload_id) {
            Some(_) => Ok(S3Response::new(AbortMultipartUploadOutput::default())),
            None => Err(s3_error!(NoSuchUpload)),
        }
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        let store = self.store(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let is_encoded = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == "url");
        let matching = store.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&*prefix));
        let uploads = matching.map(|(id, upload)| MultipartUpload {
            key: Some(if is_encoded { encoded(&upload.key) } else { upload.key.clone() }),
            upload_id: Some(id.clone()),
            initiated: Some(Timestamp::from(upload.begun)),
            ..Default::default()
        });
        let output = ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            encoding_type: input.encoding_type,
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }
}

/// As Amazon encodes keys: everything but letters, digits and a few marks, with a plus for a space.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
