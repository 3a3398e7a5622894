//! What kind of tool a call uses.

use std::fmt;

/// What kind of tool a call uses, whatever the agent calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Reads files or pages.
    Read,
    /// Changes files.
    Edit,
    /// Writes whole files.
    Write,
    /// Runs commands.
    Bash,
    /// Searches in files.
    Grep,
    /// Finds files by name.
    Glob,
    /// Starts another agent.
    Task,
    /// A tool of the agent that is none of these.
    Tool,
    /// Everything else, MCP tools among them.
    Other,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Read, Self::Edit, Self::Write, Self::Bash, Self::Grep, Self::Glob, Self::Task, Self::Tool, Self::Other];

    /// The kind of the tool of this name. Case counts.
    pub fn of(tool: &str) -> Self {
        match tool {
            "Read"
            | "read_file"
            | "list_directory"
            | "list_files"
            | "view_file"
            | "read_url_content"
            | "read"
            | "view"
            | "LS"
            | "ls"
            | "look_at"
            | "read_web_page"
            | "find"
            | "fetch"
            | "readFile"
            | "listFiles"
            | "listCodeDefinitionNames"
            | "ReadFile"
            | "read_files"
            | "read_image" => Self::Read,
            "Edit"
            | "MultiEdit"
            | "apply_patch"
            | "edit_file"
            | "replace"
            | "edit"
            | "ApplyPatch"
            | "StrReplace"
            | "str_replace"
            | "undo_edit"
            | "replace_file_content"
            | "multi_replace_file_content"
            | "appliedDiff"
            | "searchAndReplace"
            | "editedExistingFile"
            | "deleteFile"
            | "patch"
            | "multi_patch"
            | "EditFile"
            | "apply_file_diff" => Self::Edit,
            "Write" | "NotebookEdit" | "write_file" | "write" | "create_file" | "write_to_file" | "insertContent"
            | "writeToFile" | "createFile" | "newFileCreated" | "WriteFile" => Self::Write,
            "Bash"
            | "shell"
            | "shell_command"
            | "local_shell"
            | "exec_command"
            | "write_stdin"
            | "run_command"
            | "execute_command"
            | "run_shell_command"
            | "bash"
            | "Shell"
            | "exec"
            | "process"
            | "terminal"
            | "execute_code"
            | "executeCommand"
            | "RunTerminalCommand"
            | "run_terminal_command"
            | "runCode"
            | "executeCode"
            | "code_interpreter" => Self::Bash,
            "Grep"
            | "grep"
            | "grep_search"
            | "search_file_content"
            | "search_files"
            | "finder"
            | "fs_search"
            | "searchFiles"
            | "codebaseSearch"
            | "search_codebase"
            | "keyword_search" => Self::Grep,
            "Glob" | "glob" => Self::Glob,
            "Task" | "Agent" | "task" | "spawn_agent" | "spawn_agents" | "invoke_subagent" | "sessions_spawn"
            | "delegate_task" | "LaunchSubagent" | "newTask" => Self::Task,
            "Skill" | "skill" | "search" | "WebFetch" | "WebSearch" | "TodoWrite" | "todo_write" | "web_search"
            | "useMcpTool" | "report_intent" => Self::Tool,
            other if other.contains("subagent") => Self::Task,
            other if other.starts_with("browser") => Self::Tool,
            _ => Self::Other,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Edit => "Edit",
            Self::Write => "Write",
            Self::Bash => "Bash",
            Self::Grep => "Grep",
            Self::Glob => "Glob",
            Self::Task => "Task",
            Self::Tool => "Tool",
            Self::Other => "Other",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
