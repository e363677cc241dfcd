/** For what a server does behind its answer, in the background: there is no event of it. Rejects with the last failure. */
export async function eventually(check: () => void | Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await check();
    } catch (error) {
      if (tries === 400) throw error;
      await Bun.sleep(25);
    }
  }
}
