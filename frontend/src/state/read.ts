/**
 * Says when something of an element begins and ends to be read: when it has the focus, or a mouse is over it. What comes by itself waits until
 * then, so that nothing moves away under whoever reads it.
 */
export function whileRead(begin: () => void, end: () => void): (element: HTMLElement) => () => void {
  return (element) => {
    let focused = false;
    let over = false;
    const look = (next: { focused?: boolean; over?: boolean }): void => {
      const was = focused || over;
      focused = next.focused ?? focused;
      over = next.over ?? over;
      const is = focused || over;
      if (is !== was) (is ? begin : end)();
    };
    const gone = new AbortController();
    const on = <K extends keyof HTMLElementEventMap>(kind: K, does: (e: HTMLElementEventMap[K]) => void): void => element.addEventListener(kind, does, { signal: gone.signal });
    on('focusin', () => look({ focused: true }));
    on('focusout', (e) => look({ focused: e.relatedTarget instanceof Node && element.contains(e.relatedTarget) }));
    on('pointerenter', (e) => e.pointerType === 'mouse' && look({ over: true })); // a finger does not say when it stops reading
    on('pointerleave', () => look({ over: false }));
    return () => {
      gone.abort();
      look({ focused: false, over: false });
    };
  };
}
