import type { FaultType, ServiceAction } from '@daca-mesh/agent-cards';

/** What the service handbook says about each fault: the action that helps, and what to try it for. */
export const handbook: Readonly<Record<FaultType, ServiceAction>> = {
  offline: 'restart',
  slow: 'restart',
  stuck: 'recalibrate',
  drift: 'update-firmware',
  'low-battery': 'replace-battery',
};
