export type { RecordedRun } from './recorded-run.ts';
export { replayRecorded } from './replay-recorded.ts';
export { type AgentCall, type AgentQuestion, type ScriptedAgent, silence } from './scripted-agent.ts';
export type { TestQuestion, TestReminder } from './test-activities.ts';
export { type TestRun, testWorkflow, type TestWorkflowOptions } from './test-workflow.ts';
