export type { AgentDefinition } from './agent-definition.ts';
export { meshTool, type MeshToolOptions, type ToolCall, type ToolScope } from './mesh-tool.ts';
export { type ModelConfig, modelEnvironment, toModelConfig } from './model-config.ts';
export { type ChosenModel, type ModelEnvironment, modelFromEnvironment } from './model-from-environment.ts';
export { OfflineModel, offlineModelName } from './offline/offline-model.ts';
export { type AgentSkillResult, type AgentSkillRun, runAgentSkill } from './run-agent-skill.ts';
export type { ToolUse } from './tool-uses.ts';
