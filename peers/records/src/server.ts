import {
  appendAudit,
  getAudit,
  getErrors,
  getPost,
  loadCard,
  logError,
  savePost,
  setPostStatus,
} from '@daca-mesh/agent-cards';
import {
  type AgentServer,
  createAgentServer,
  openSqliteDatabase,
  serverSettings,
  skill,
  taskSchema,
  writesSchema,
} from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { recordsSchema } from './records-tables.ts';
import { writeAuditEntry } from './skills/append-audit.ts';
import { readAudit } from './skills/get-audit.ts';
import { readPost } from './skills/get-post.ts';
import { readErrors } from './skills/get-errors.ts';
import { writeError } from './skills/log-error.ts';
import { writePost } from './skills/save-post.ts';
import { writePostStatus } from './skills/set-post-status.ts';

/**
 * Starts the records agent. Posts and tasks share one database file. A write is stored under the caller's idempotency
 * key, so that a task that runs again after a crash writes nothing twice.
 */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const settings = serverSettings(config);
  const database = openSqliteDatabase({ ...settings.database, schemas: [taskSchema, writesSchema, recordsSchema] });
  return createAgentServer({
    ...settings,
    card: loadCard('records'),
    database,
    resources: database,
    logger,
    skills: {
      'save-post': skill(savePost, ({ input, task }) =>
        database.write(() => writePost(task.idempotencyKey('save-post'), input)),
      ),
      'set-post-status': skill(setPostStatus, ({ input, task }) =>
        database.write(() => writePostStatus(task.idempotencyKey('set-post-status'), input)),
      ),
      'append-audit': skill(appendAudit, ({ input, task }) =>
        database.write(() => writeAuditEntry(task.idempotencyKey('append-audit'), input)),
      ),
      'log-error': skill(logError, ({ input, task }) =>
        database.write(() => writeError(task.idempotencyKey('log-error'), input)),
      ),
      'get-errors': skill(getErrors, ({ input }) => database.read(() => readErrors(input))),
      'get-post': skill(getPost, ({ input }) => database.read(() => readPost(input.postId))),
      'get-audit': skill(getAudit, ({ input }) => database.read(() => readAudit(input.postId))),
    },
  });
}
