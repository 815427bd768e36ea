//! Labelled images of one size, as the readers of image formats hand them out.

/// Images with one label each, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Numbers per image, e.g. 28 × 28 or 3 × 32 × 32.
    pub shape: Vec<usize>,
    /// Rows of pixels from 0 to 255, image after image.
    pub pixels: Vec<u8>,
    /// The class of each image.
    pub labels: Vec<u8>,
    /// SHA-256 of each file that was read, in order, in lower-case hexadecimal.
    pub sha256: Vec<String>,
}

impl Images {
    /// Pixels of one image.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many images.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// The number of classes: one more than the largest label.
    pub fn classes(&self) -> usize {
        self.labels.iter().max().map_or(0, |&l| usize::from(l) + 1)
    }
}
