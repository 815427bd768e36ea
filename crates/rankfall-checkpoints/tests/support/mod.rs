//! Files of every format, written byte by byte.
#![allow(dead_code)]

use std::io::Write;

/// A pickle, opcode by opcode.
#[derive(Clone, Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn of_protocol(protocol: u8) -> Self {
        Self(vec![0x80, protocol])
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// BINUNICODE.
    pub fn text(self, text: &str) -> Self {
        self.raw(b"X")
            .raw(&(text.len() as u32).to_le_bytes())
            .raw(text.as_bytes())
    }

    /// BININT.
    pub fn int(self, n: i32) -> Self {
        self.raw(b"J").raw(&n.to_le_bytes())
    }

    /// A tuple of whole numbers.
    pub fn ints(self, all: &[i32]) -> Self {
        let opened = self.raw(b"(");
        all.iter()
            .fold(opened, |pickle, &n| pickle.int(n))
            .raw(b"t")
    }

    /// A storage by its persistent identifier.
    pub fn storage(self, class: &str, key: &str, count: i32) -> Self {
        let pickle = self
            .raw(b"(")
            .text("storage")
            .global("torch", class)
            .text(key)
            .text("cpu");
        pickle.int(count).raw(b"tQ")
    }

    /// `_rebuild_tensor_v2` of such a storage.
    pub fn tensor(
        self,
        class: &str,
        key: &str,
        count: i32,
        offset: i32,
        shape: &[i32],
        strides: &[i32],
    ) -> Self {
        let pickle = self
            .global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"(")
            .storage(class, key, count);
        let pickle = pickle.int(offset).ints(shape).ints(strides).raw(b"\x89");
        pickle.global("collections", "OrderedDict").raw(b")RtR")
    }

    pub fn stop(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// A ZIP archive of entries that are stored, or deflated.
pub fn zip(entries: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
    let method = match deflated {
        true => zip::CompressionMethod::Deflated,
        false => zip::CompressionMethod::Stored,
    };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A PyTorch archive with this pickle and these storages.
pub fn torch(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let names: Vec<String> = storages
        .iter()
        .map(|(key, _)| format!("model/data/{key}"))
        .collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("model/data.pkl", pickle)];
    entries.extend(
        names
            .iter()
            .map(String::as_str)
            .zip(storages.iter().map(|(_, bytes)| *bytes)),
    );
    zip(&entries, false)
}

/// The older format: five pickles, then storages behind their lengths.
pub fn legacy(pickle: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend_from_slice(b"\x80\x02M\xe9\x03.");
    file.extend(
        Pickle::of_protocol(2)
            .raw(b"}(")
            .text("little_endian")
            .raw(b"\x88u")
            .stop(),
    );
    file.extend_from_slice(pickle);
    let keys = Pickle::of_protocol(2).raw(b"](");
    file.extend(
        storages
            .iter()
            .fold(keys, |pickle, (key, ..)| pickle.text(key))
            .raw(b"e")
            .stop(),
    );
    for (_, count, bytes) in storages {
        file.extend_from_slice(&count.to_le_bytes());
        file.extend_from_slice(bytes);
    }
    file
}

/// A safetensors file with this header.
pub fn safetensors(header: &str, numbers: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(numbers);
    file
}

/// An NPY array.
pub fn npy(descr: &str, fortran: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(&(header.len() as u16).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(numbers);
    file
}

pub fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The most megabytes that this process has had in memory.
#[cfg(target_os = "linux")]
pub fn peak_megabytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1024
}
