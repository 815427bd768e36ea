//! `rankfall data`: what data there are without a file of one's own, and how to get more.

use rankfall::failure::shown_path;
use rankfall_data::{BUNDLED, DATA_FOLDER, PACKAGED};

/// The list, for people.
pub fn list() -> String {
    let mut text = String::from("Inside the program, [data] kind = \"bundled\":\n");
    for one in &BUNDLED {
        text += &format!(
            "  dataset = \"{}\"\n    {}\n    licence: {}\n",
            one.name, one.about, one.licence
        );
    }
    text += "\nFrom a package, [data] kind = \"idx\":\n";
    for one in &PACKAGED {
        let place = match one.locate() {
            Some((folder, _)) => format!("found in {}", shown_path(&folder)),
            None => format!("not found; to get it: {}", one.install),
        };
        text += &format!(
            "  dataset = \"{}\"\n    {}\n    licence: {}\n    {place}\n",
            one.name, one.about, one.licence
        );
    }
    text += &format!(
        "\nA folder with the four files of such a set is also found as NAME below ${DATA_FOLDER}, or \
         named by\nfolder = \"…\". Own files: [data] kind = \"file\" (CSV, NPY, NPZ, Parquet), \"idx\" \
         (images, labels) or\n\"cifar\" (binary version of CIFAR-10 and CIFAR-100, which no package \
         carries: its authors' page has it).\n"
    );
    text
}
