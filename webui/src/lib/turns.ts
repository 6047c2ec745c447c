/** Maps with a few requests at a time. */
export async function inTurns<T, U>(items: T[], f: (item: T) => Promise<U>, width = 6): Promise<U[]> {
  const out: U[] = new Array(items.length);
  let next = 0;
  const work = async () => {
    for (let i = next++; i < items.length; i = next++) out[i] = await f(items[i] as T);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, work));
  return out;
}
