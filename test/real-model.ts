/** The model file of the slow tests: a real one, where the environment names it. */
export function realModel(): string | undefined {
  return process.env.PERSONA_TEST_MODEL;
}
