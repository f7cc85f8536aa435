export { type ChosenModel, type ModelEnvironment, modelFromEnvironment } from './model-from-environment.ts';
export { OfflineModel, offlineModelName } from './offline-model.ts';
export { type AgentDefinition, type AgentSkillResult, type AgentSkillRun, runAgentSkill } from './run-agent-skill.ts';
