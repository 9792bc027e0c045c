import { useEffect, useReducer } from "preact/hooks";

/** Something that says when it has changed. */
interface Changing {
  listen(listener: () => void): () => void;
}

/** Draw this view again, once a frame at most, whenever something changes. */
export function useChanges(source: Changing | undefined): void {
  const [, draw] = useReducer((count: number, _: void) => count + 1, 0);
  useEffect(() => {
    let request = 0;
    const stop = source?.listen(() => {
      request ||= requestAnimationFrame(() => {
        request = 0;
        draw();
      });
    });
    draw();
    return () => {
      cancelAnimationFrame(request);
      stop?.();
    };
  }, [source]);
}
