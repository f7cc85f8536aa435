export { type AgentServer, type AgentServerOptions, createAgentServer } from './agent-server.ts';
export {
  type AgentConfig,
  agentEnvironment,
  parseAgentConfig,
  parseEnvironment,
  serverSettings,
  toAgentConfig,
} from './agent-config.ts';
export { type Caller, type Callers, createCallers, localCaller, meshCaller, workflowCaller } from './callers.ts';
export { type DatabaseSchema, openSqliteDatabase, type SqliteDatabaseOptions } from './database/sqlite-database.ts';
export { sqliteQueryBuilder, statement } from './database/statement.ts';
export { afterCommit, all, type Database, first, run, type Step, type StepResult, type Unit } from './database/unit.ts';
export { defaultTaskLimits, type TaskLimits } from './core/core-services.ts';
export { questionMessage } from './core/questions.ts';
export { configureKillPoint, isKillPointArmed, killPoint, type KillPointOptions } from './kill-point.ts';
export {
  type ArtifactFields,
  type AskQuestion,
  type DetachedSkill,
  detachedSkill,
  type ExecutedSkill,
  type Skill,
  skill,
  type SkillContext,
  type SkillOptions,
  type SkillSchemas,
  type TaskChange,
  type TaskHandle,
} from './skill.ts';
export { taskSchema } from './store/task-tables.ts';
export { type Call, createTaskCore, type TaskCore, type TaskCoreOptions, type TaskEvent } from './task-core.ts';
export { type WireError, toWireError } from './http/error-mapping.ts';
export { isLoopback } from './http/guards.ts';
export { createLogger, runAgent, type RunningServer } from './run-agent.ts';
export { writeOnce, writesSchema } from './write-once.ts';
