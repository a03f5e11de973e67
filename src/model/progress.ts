/** How far a long piece of work has come. Whoever shows it derives rate and time left from successive reports. */

export interface Progress {
  /** What is being worked on, e.g. a file's name. */
  label: string;
  done: number;
  /** Absent when nobody knows. */
  total?: number;
  /** 'B' for bytes; else what is counted, e.g. 'rollouts'. */
  unit: 'B' | (string & {});
}
