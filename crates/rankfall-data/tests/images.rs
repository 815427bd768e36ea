//! Image formats: IDX plain and gzipped, CIFAR records; good, cut and hostile.

mod common;

use common::{Folder, gzip};
use rankfall_data::{CifarLabels, MnistFiles, read_cifar, read_idx};

fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|s| file.extend(s.to_be_bytes()));
    file.extend(bytes);
    file
}

#[test]
fn idx_reads_plain_and_gzipped_alike() {
    let folder = Folder::new();
    let pixels: Vec<u8> = (0..2 * 3 * 2).map(|i| i * 20).collect();
    let images = folder.write("images", idx(&[2, 3, 2], &pixels));
    let labels = folder.write("labels.gz", gzip(&idx(&[2], &[7, 1])));
    let plain = read_idx(&images, &labels).expect("sound");
    assert_eq!(
        (plain.shape.clone(), plain.size(), plain.count()),
        (vec![3, 2], 6, 2)
    );
    assert_eq!((plain.labels.clone(), plain.classes()), (vec![7, 1], 8));
    assert_eq!(plain.pixels, pixels);
    let packed = folder.write("images.gz", gzip(&idx(&[2, 3, 2], &pixels)));
    let again = read_idx(&packed, &labels).expect("sound");
    assert_eq!(
        (again.pixels, again.sha256[1].clone()),
        (pixels, plain.sha256[1].clone())
    );
    assert_ne!(again.sha256[0], plain.sha256[0]);
}

#[test]
fn idx_that_is_damaged_says_how() {
    let folder = Folder::new();
    let labels = folder.write("labels", idx(&[2], &[0, 1]));
    let good = idx(&[2, 1, 2], &[1, 2, 3, 4]);
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("empty", Vec::new(), "empty"),
        ("text", b"a,b\n1,2\n".to_vec(), "IDX file"),
        (
            "cut",
            good[..good.len() - 1].to_vec(),
            "4 bytes, but there are 3",
        ),
        ("header", good[..9].to_vec(), "inside its header"),
        ("long", [&good[..], &[0]].concat(), "more bytes follow"),
        (
            "floats",
            [&[0, 0, 0x0d, 1], &[0; 4][..]].concat(),
            "type 0x0d",
        ),
        (
            "huge",
            idx(&[u32::MAX, u32::MAX, u32::MAX], &[]),
            "more than the limit",
        ),
        ("claims", idx(&[1 << 20, 1 << 11], &[1]), "but there are 1"),
        (
            "axes",
            [&[0, 0, 8, 200][..], &[1; 900]].concat(),
            "200 axes",
        ),
    ];
    for (name, bytes, words) in cases {
        for bytes in [bytes.clone(), gzip(&bytes)] {
            let path = folder.write(name, &bytes);
            let message = read_idx(&path, &labels).expect_err(name).to_string();
            assert!(message.contains(words), "{name}: {message}");
        }
    }
    let images = folder.write("good", &good);
    let swapped = read_idx(&labels, &images).expect_err("swapped").to_string();
    assert!(swapped.contains("wrong way round"), "{swapped}");
    let three = folder.write("three", idx(&[3], &[0, 1, 2]));
    let differ = read_idx(&images, &three).expect_err("3 labels").to_string();
    assert!(
        differ.contains("has 2 rows") && differ.contains("has 3"),
        "{differ}"
    );
    let missing = read_idx(&folder.path("no"), &labels).expect_err("missing");
    assert!(missing.to_string().contains("no such file"));
}

#[test]
fn the_four_files_of_mnist_are_found_by_name() {
    let folder = Folder::new();
    for name in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte",
    ] {
        folder.write(name, []);
    }
    assert_eq!(MnistFiles::in_folder(&folder.path("")), None);
    folder.write("t10k-labels-idx1-ubyte", []);
    let found = MnistFiles::in_folder(&folder.path("")).expect("all four");
    assert!(found.train_labels.ends_with("train-labels-idx1-ubyte.gz"));
}

#[test]
fn cifar_records_are_labels_and_planes() {
    let folder = Folder::new();
    let record = |labels: &[u8], fill: u8| [labels, &[fill; 3072]].concat();
    let first = folder.write("a.bin", [record(&[3], 10), record(&[9], 20)].concat());
    let second = folder.write("b.bin", gzip(&record(&[0], 30)));
    let images = read_cifar(&[&first, &second], CifarLabels::Ten).expect("sound");
    assert_eq!(
        (images.labels.clone(), images.shape.clone()),
        (vec![3, 9, 0], vec![3, 32, 32])
    );
    assert_eq!(
        (
            images.pixels[3072],
            images.pixels[2 * 3072],
            images.sha256.len()
        ),
        (20, 30, 2)
    );
    let hundred = folder.write("c.bin", record(&[19, 99], 1));
    for (labels, expected) in [(CifarLabels::Coarse, 19), (CifarLabels::Fine, 99)] {
        let images = read_cifar(&[&hundred], labels).expect("sound");
        assert_eq!(images.labels, [expected]);
    }
    let message = read_cifar(&[&hundred], CifarLabels::Ten).expect_err("3074 bytes");
    assert!(
        message
            .to_string()
            .contains("whole number of records of 3073")
    );
    let wild = folder.write("d.bin", record(&[10], 1));
    let message = read_cifar(&[&wild], CifarLabels::Ten).expect_err("label 10");
    assert!(message.to_string().contains("label 10"), "{message}");
    let empty = folder.write("e.bin", []);
    assert!(read_cifar(&[&empty], CifarLabels::Ten).is_err());
}
