//! Types that go over the wire, written once: structures of Rust, and their declarations in
//! TypeScript.

/// The TypeScript name of a type.
pub trait Wire {
    /// For instance `number | null`.
    fn type_name() -> String;
}

macro_rules! named {
    ($($type:ty => $name:literal),*) => {
        $(impl Wire for $type {
            fn type_name() -> String {
                $name.to_owned()
            }
        })*
    };
}

named!(f64 => "number", f32 => "number", u32 => "number", u64 => "number", bool => "boolean", String => "string");

impl<T: Wire> Wire for Option<T> {
    fn type_name() -> String {
        format!("{} | null", T::type_name())
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn type_name() -> String {
        let name = T::type_name();
        match name.contains(' ') {
            true => format!("({name})[]"),
            false => format!("{name}[]"),
        }
    }
}

/// Declares structures that are written and read as JSON, and `typescript()`, which declares the
/// same for the page.
macro_rules! wire {
    ($(
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $($(#[doc = $about:literal])* pub $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name {
                $($(#[doc = $about])* pub $field: $type,)*
            }

            impl $crate::wire::Wire for $name {
                fn type_name() -> String {
                    stringify!($name).to_owned()
                }
            }
        )*

        /// The same structures as TypeScript declares them.
        pub fn typescript() -> String {
            let mut out = String::new();
            $(
                for line in [$($doc),*] {
                    let _: &str = line;
                    out.push_str(&format!("//{line}\n"));
                }
                out.push_str(concat!("export interface ", stringify!($name), " {\n"));
                $(
                    for line in [$($about),*] {
                        let _: &str = line;
                        out.push_str(&format!("  //{line}\n"));
                    }
                    let name = <$type as $crate::wire::Wire>::type_name();
                    out.push_str(&format!("  {}: {name};\n", stringify!($field)));
                )*
                out.push_str("}\n\n");
            )*
            out
        }
    };
}

pub(crate) use wire;
