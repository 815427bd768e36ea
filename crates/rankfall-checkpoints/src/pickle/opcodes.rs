//! The interpreter: one opcode after the other, on a stack of node numbers.

use super::node::{Id, Node, Nodes};
use super::objects;
use std::collections::HashMap;
use std::rc::Rc;

/// Nodes beyond this are refused, and as many words of eight bytes that calls copy: no checkpoint
/// has as many.
pub const MOST_NODES: usize = 4_000_000;
/// Longest line of the text opcodes of protocol 0, and longest name.
const LONGEST_LINE: usize = 1 << 20;

/// A pickle that was read to its end.
#[derive(Debug)]
pub struct Pickle {
    /// All of its nodes.
    pub nodes: Nodes,
    /// What it stands for.
    pub root: Id,
    /// Bytes up to its end.
    pub length: usize,
}

/// Reads one pickle of at most `most` nodes, which are no more than [`MOST_NODES`], from the start of
/// `bytes`.
///
/// # Errors
/// A sentence with the place: a pickle that ends early, an unknown opcode, a stack that is too
/// short, more nodes than any checkpoint has.
pub fn load(bytes: &[u8], most: usize) -> Result<Pickle, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        nodes: Nodes::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        written: 0,
    };
    loop {
        let place = machine.at;
        let opcode = machine
            .byte()
            .map_err(|e| format!("the pickle ends without its last opcode ({e})"))?;
        match machine.step(opcode) {
            Ok(None) => {}
            Ok(Some(root)) => {
                let (nodes, length) = (machine.nodes, machine.at);
                return Ok(Pickle {
                    nodes,
                    root,
                    length,
                });
            }
            Err(what) => {
                return Err(format!(
                    "the pickle is damaged at byte {place}, opcode {opcode:#04x}: {what}"
                ));
            }
        }
        let sizes = [
            machine.nodes.len(),
            machine.written,
            machine.stack.len(),
            machine.marks.len(),
            machine.memo.len(),
        ];
        if sizes.iter().any(|&size| size > most) {
            return Err(format!(
                "the pickle has more than {MOST_NODES} values: no checkpoint has as many"
            ));
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Nodes,
    stack: Vec<Id>,
    /// How long the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Words of eight bytes in lists, dictionaries, shapes and names so far: one opcode can copy
    /// many.
    written: usize,
}

type Step<T = ()> = Result<T, String>;

impl<'a> Machine<'a> {
    /// Does what one opcode says; the root where that ends the pickle.
    fn step(&mut self, opcode: u8) -> Step<Option<Id>> {
        match opcode {
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.marks.last() {
                Some(&mark) if mark == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.pop_mark()?),
            b'2' => self.stack.push(self.top()?),
            // A buffer is made read-only: nothing to do.
            0x98 => drop(self.top()?),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.memory(opcode)?,
            b'}' | b']' | b')' | 0x8f | b'l' | b'd' | b't' | 0x85..=0x87 | 0x91 => {
                self.container(opcode)?
            }
            b'a' | b'e' | b's' | b'u' | 0x90 => self.extend(opcode)?,
            b'c' | 0x93 | b'i' | b'o' | b'R' | b'b' | 0x81 | 0x92 | b'P' | b'Q' | 0x82..=0x84 => {
                self.object(opcode)?
            }
            _ => {
                let node = self.literal(opcode)?;
                self.push(node);
            }
        }
        Ok(None)
    }

    fn byte(&mut self) -> Step<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        if count > left {
            return Err(format!("{count} bytes are claimed and {left} are there"));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// A little-endian number of so many bytes.
    fn number(&mut self, count: usize) -> Step<u64> {
        let mut raw = [0; 8];
        raw[..count].copy_from_slice(self.take(count)?);
        Ok(u64::from_le_bytes(raw))
    }

    /// As many bytes as a number of `width` bytes says.
    fn counted(&mut self, width: usize) -> Step<&'a [u8]> {
        let count = self.number(width)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Up to the end of the line, without it.
    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let rest = &rest[..rest.len().min(LONGEST_LINE)];
        let end = rest
            .iter()
            .position(|&b| b == b'\n')
            .ok_or("a line has no end")?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn push(&mut self, node: Node) {
        let id = self.nodes.add(node);
        self.stack.push(id);
    }

    /// Where the last so many of the stack begin; none of them is below the last mark.
    fn last(&self, count: usize) -> Step<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count);
        let from = from.filter(|&from| from >= floor);
        from.ok_or_else(|| "the stack is empty".into())
    }

    /// Takes the last of the stack, but nothing below the last mark.
    fn pop(&mut self) -> Step<Id> {
        let at = self.last(1)?;
        Ok(self.stack.remove(at))
    }

    fn top(&self) -> Step<Id> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| "the stack is empty".into())
    }

    /// Everything above the last mark.
    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn memory(&mut self, opcode: u8) -> Step {
        let key = match opcode {
            b'p' | b'g' => text(self.line()?)
                .trim()
                .parse()
                .map_err(|_| "a place in the memo is no number")?,
            b'q' | b'h' => self.number(1)?,
            b'r' | b'j' => self.number(4)?,
            _ => self.memo.len() as u64,
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let id = self
                .memo
                .get(&key)
                .ok_or("nothing is in that place of the memo")?;
            self.stack.push(*id);
        } else {
            self.memo.insert(key, self.top()?);
        }
        Ok(())
    }

    fn container(&mut self, opcode: u8) -> Step {
        let node = match opcode {
            b'}' => Node::Dict(Vec::new()),
            b'd' => Node::Dict(pairs(&self.pop_mark()?)?),
            b'l' | b't' | 0x91 => Node::List(self.pop_mark()?),
            0x85..=0x87 => {
                let from = self.last(usize::from(opcode - 0x84))?;
                Node::List(self.stack.split_off(from))
            }
            _ => Node::List(Vec::new()),
        };
        self.push(node);
        Ok(())
    }

    /// Adds items to a container that is there already.
    fn extend(&mut self, opcode: u8) -> Step {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        self.written += items.len();
        let into = self.top()?;
        match self.nodes.get_mut(into) {
            Some(Node::List(list)) if matches!(opcode, b'a' | b'e' | 0x90) => list.extend(items),
            Some(Node::Dict(entries)) if matches!(opcode, b's' | b'u') => {
                entries.extend(pairs(&items)?)
            }
            // What an object of a class of its own takes in is its state.
            Some(Node::Object { .. }) => {
                let taken = match opcode {
                    b's' | b'u' => Node::Dict(pairs(&items)?),
                    _ => Node::List(items),
                };
                let taken = self.nodes.add(taken);
                if let Some(Node::Object { state, .. }) = self.nodes.get_mut(into) {
                    *state = Some(taken);
                }
            }
            _ => return Err("items are added to what holds none".into()),
        }
        Ok(())
    }

    /// Whatever names, makes or fills an object. Nothing is executed.
    fn object(&mut self, opcode: u8) -> Step {
        let node = match opcode {
            b'c' => Node::Global(joined(&text(self.line()?), &text(self.line()?))),
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let part = |id| self.nodes.text(id).ok_or("a name to import is no text");
                Node::Global(joined(part(module)?, part(name)?))
            }
            b'i' => {
                let class = joined(&text(self.line()?), &text(self.line()?));
                let arguments = Node::List(self.pop_mark()?);
                Node::Object {
                    class,
                    arguments: Some(self.nodes.add(arguments)),
                    state: None,
                }
            }
            b'o' => {
                let mut items = self.pop_mark()?.into_iter();
                let class = items.next().ok_or("an object has no class")?;
                let arguments = self.nodes.add(Node::List(items.collect()));
                objects::called(&self.nodes, class, arguments)
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                objects::called(&self.nodes, function, arguments)
            }
            0x92 => {
                let (_keywords, arguments) = (self.pop()?, self.pop()?);
                let class = self.pop()?;
                objects::called(&self.nodes, class, arguments)
            }
            b'b' => {
                let state = self.pop()?;
                let id = self.top()?;
                // Containers and tensors are whole without: a state is what is attached to them.
                if let Some(Node::Object { state: held, .. }) = self.nodes.get_mut(id) {
                    *held = Some(state);
                }
                return Ok(());
            }
            b'P' => {
                let named = text(self.line()?).into();
                let id = self.nodes.add(Node::Text(named));
                objects::persistent(&self.nodes, id)
            }
            b'Q' => {
                let id = self.pop()?;
                objects::persistent(&self.nodes, id)
            }
            _ => {
                self.take(1 << (opcode - 0x82))?;
                Node::Object {
                    class: "an extension".into(),
                    arguments: None,
                    state: None,
                }
            }
        };
        self.written += match &node {
            Node::List(items) => items.len(),
            Node::Dict(entries) => 2 * entries.len(),
            Node::Tensor(tensor) => 2 * tensor.shape.len(),
            Node::Storage(storage) => words(&storage.key) + words(&storage.dtype.name()),
            Node::Global(name) => words(name),
            _ => 0,
        };
        self.push(node);
        Ok(())
    }

    /// Numbers and texts.
    fn literal(&mut self, opcode: u8) -> Step<Node> {
        Ok(match opcode {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'I' => match self.line()? {
                b"01" => Node::Bool(true),
                b"00" => Node::Bool(false),
                digits => integer(&text(digits)),
            },
            b'L' => integer(text(self.line()?).trim_end_matches('L')),
            b'J' => Node::Int(i64::from(self.number(4)? as u32 as i32)),
            b'K' => Node::Int(self.number(1)? as i64),
            b'M' => Node::Int(self.number(2)? as i64),
            0x8a => long(self.counted(1)?),
            0x8b => long(self.counted(4)?),
            b'F' => text(self.line()?)
                .trim()
                .parse()
                .map(Node::Float)
                .map_err(|_| "a number is none")?,
            b'G' => Node::Float(f64::from_bits(self.number(8)?.swap_bytes())),
            // The escapes of text opcodes are not resolved: names have none.
            b'S' => Node::Text(text(self.line()?).trim_matches(['\'', '"']).into()),
            b'V' => Node::Text(text(self.line()?).into()),
            b'U' | 0x8c => Node::Text(text(self.counted(1)?).into()),
            b'T' | b'X' => Node::Text(text(self.counted(4)?).into()),
            0x8d => Node::Text(text(self.counted(8)?).into()),
            b'C' => self.counted(1).map(|_| Node::Bytes)?,
            b'B' => self.counted(4).map(|_| Node::Bytes)?,
            0x8e | 0x96 => self.counted(8).map(|_| Node::Bytes)?,
            0x97 => Node::Bytes,
            _ => return Err("there is no such opcode".into()),
        })
    }
}

/// Text with what is not UTF-8 replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Words of eight bytes that a text takes.
fn words(text: &str) -> usize {
    text.len().div_ceil(8)
}

fn joined(module: &str, name: &str) -> Rc<str> {
    format!("{module}.{name}").into()
}

fn integer(digits: &str) -> Node {
    digits.trim().parse().map_or(Node::Huge, Node::Int)
}

/// A whole number in two's complement, of any length.
fn long(bytes: &[u8]) -> Node {
    if bytes.len() > 8 {
        return Node::Huge;
    }
    let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) {
        0xff
    } else {
        0
    };
    let mut raw = [fill; 8];
    raw[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(raw))
}

fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    match items.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err("a key has no value".into()),
    }
}
