export { parseAnswer, type ParseAnswerOptions, parseEventAnswer } from './answers.ts';
export {
  type AnswerAction,
  Answer,
  Approval,
  Approvals,
  ApprovalRule,
  EscalationStep,
  Question,
  Reminder,
} from './question.ts';
export { operatorRole, Principal, Principals, tokenDigest } from './principal.ts';
export { extensionData, extensionUris } from './extensions.ts';
export { digest, newId, newTaskId } from './ids.ts';
export { isMeshError, MeshError, type MeshErrorCode, type MeshErrorOptions } from './mesh-error.ts';
export {
  agentMessage,
  artifact,
  dataOf,
  dataPart,
  type MessageFields,
  textOf,
  textPart,
  userMessage,
} from './parts.ts';
export { isInterrupted, isTerminal } from './task-states.ts';
export { checkAnswer, compileAnswerSchema } from './check-answer.ts';
export { compileSchema } from './compile-schema.ts';
