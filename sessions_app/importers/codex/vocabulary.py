"""The words of the format: which records are known, and what the names of tools and tags mean."""

from typing import Final

from sessions_app.drafts import ToolKind

AGENT: Final = "codex"

# Records that carry nothing for a reader: settings, progress, deltas whose outcome is a record of its own.
SILENT_LINES: Final = frozenset({"world_state", "inter_agent_communication_metadata"})
SILENT_ITEMS: Final = frozenset({"additional_tools", "compaction_trigger", "ghost_snapshot", "other"})
SILENT_EVENTS: Final = frozenset(
    {
        "agent_message_content_delta",
        "agent_message_delta",
        "agent_reasoning_delta",
        "agent_reasoning_raw_content_delta",
        "agent_reasoning_section_break",
        "apply_patch_approval_resolved",
        "collab_agent_interaction_begin",
        "collab_agent_interaction_end",
        "collab_agent_spawn_begin",
        "collab_close_begin",
        "collab_close_end",
        "collab_resume_begin",
        "collab_resume_end",
        "collab_waiting_begin",
        "collab_waiting_end",
        "dynamic_tool_call_request",
        "exec_command_begin",
        "exec_command_output_delta",
        "image_generation_begin",
        "item_started",
        "mcp_startup_complete",
        "mcp_startup_update",
        "mcp_tool_call_begin",
        "patch_apply_begin",
        "patch_apply_updated",
        "plan_delta",
        # The same plan is the argument of the call of update_plan.
        "plan_update",
        "raw_response_item",
        "reasoning_content_delta",
        "reasoning_raw_content_delta",
        "session_configured",
        "shutdown_complete",
        "terminal_interaction",
        "thread_settings_applied",
        "turn_diff",
        "turn_moderation_metadata",
        "web_search_begin",
    }
)

# Requests that hold the agent up until a person answers.
APPROVALS: Final = {
    "apply_patch_approval_request": "approval of a patch",
    "elicitation_request": "answer to a question of an MCP server",
    "exec_approval_request": "approval of a command",
    "request_permissions": "approval of permissions",
    "request_user_input": "answer to a question",
}

NOTICES: Final = frozenset(
    {
        "background_event",
        "deprecation_notice",
        "guardian_warning",
        "model_reroute",
        "stream_error",
        "thread_goal_updated",
        "warning",
    }
)

_KIND_OF_TOOL: Final[dict[str, ToolKind]] = {
    "apply_patch": "edit",
    "close_agent": "agent",
    "container.exec": "shell",
    "exec": "shell",
    "exec_command": "shell",
    "grep_files": "search",
    "list_agents": "agent",
    "list_dir": "search",
    "local_shell": "shell",
    "read_file": "read",
    "read_mcp_resource": "read",
    "resume_agent": "agent",
    "send_input": "agent",
    "send_message": "agent",
    "shell": "shell",
    "shell_command": "shell",
    "spawn_agent": "agent",
    "tool_search": "search",
    "unified_exec": "shell",
    "update_plan": "plan",
    "view_image": "read",
    "wait": "agent",
    "wait_agent": "agent",
    "web_search": "web",
    "write_stdin": "shell",
}

# What the program writes in the user's name at the head of a turn.
_CONTEXT_TAGS: Final = (
    "<INSTRUCTIONS>",
    "<app-context>",
    "<collaboration_mode>",
    "<environment_context>",
    "<environments_instructions>",
    "<hook_prompt",
    "<model_switch>",
    "<permissions instructions>",
    "<personality_spec>",
    "<plugins_instructions>",
    "<skill>",
    "<skills_instructions>",
    "<subagent_notification>",
    "<turn_aborted>",
    "<user_instructions>",
    "# AGENTS.md instructions",
)
_COMMAND_TAGS: Final = ("<user_shell_command>", "<user_action>")
_SUMMARY_BEGINNING: Final = "Another language model started to solve this problem and produced a summary"


def tool_kind(name: str) -> ToolKind:
    found = _KIND_OF_TOOL.get(name)
    if found is None and "." in name:
        found = _KIND_OF_TOOL.get(name.rpartition(".")[2])
    return found or "other"


def is_context(text: str) -> bool:
    return text.lstrip().startswith(_CONTEXT_TAGS)


def is_command(text: str) -> bool:
    return text.lstrip().startswith(_COMMAND_TAGS)


def is_summary(text: str) -> bool:
    return text.lstrip().startswith(_SUMMARY_BEGINNING)
