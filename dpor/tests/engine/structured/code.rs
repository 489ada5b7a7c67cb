//! Programs with jumps instead of blocks.

use super::program::{Act, Cond, Expr, Place, Reg, Stmt};

/// A statement without inner ones.
#[derive(Clone, Debug)]
pub enum Code {
    Act(Place, Act),
    UnlockAny,
    Set(Reg, Expr),
    /// Go on there unless the condition holds.
    Unless(Cond, usize),
    Jump(usize),
    Spawn(usize, bool),
    Join(usize),
    JoinAny,
    New(u8, Reg),
    Data(Place, bool),
    Assert(Cond, u8),
}

pub fn compile(block: &[Stmt], code: &mut Vec<Code>) {
    for stmt in block {
        match stmt {
            Stmt::If(cond, yes, no) => {
                let branch = code.len();
                code.push(Code::Jump(0));
                compile(yes, code);
                let skip = code.len();
                code.push(Code::Jump(0));
                code[branch] = Code::Unless(*cond, code.len());
                compile(no, code);
                code[skip] = Code::Jump(code.len());
            }
            Stmt::Loop(times, body, until) => {
                let mut exits = Vec::new();
                for _ in 0..*times {
                    compile(body, code);
                    code.push(Code::Unless(*until, code.len() + 2));
                    exits.push(code.len());
                    code.push(Code::Jump(0));
                }
                for exit in exits {
                    code[exit] = Code::Jump(code.len());
                }
            }
            Stmt::Act(place, act) => code.push(Code::Act(*place, *act)),
            Stmt::UnlockAny => code.push(Code::UnlockAny),
            Stmt::Set(reg, expr) => code.push(Code::Set(*reg, *expr)),
            Stmt::Spawn(task, give) => code.push(Code::Spawn(*task, *give)),
            Stmt::Join(task) => code.push(Code::Join(*task)),
            Stmt::JoinAny => code.push(Code::JoinAny),
            Stmt::New(slot, reg) => code.push(Code::New(*slot, *reg)),
            Stmt::Data(place, write) => code.push(Code::Data(*place, *write)),
            Stmt::Assert(cond, id) => code.push(Code::Assert(*cond, *id)),
        }
    }
}
