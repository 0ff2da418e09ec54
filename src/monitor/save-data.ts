/** Whether the user asked sites to save data. Where the browser does not tell, they did not. */
import type { MonitorEnvironment } from './environment';
import { browserEnvironment } from './environment';

/** Calls back at once and with each change. */
export function watchSaveData(
  callback: (saveData: boolean) => void,
  environment: MonitorEnvironment = browserEnvironment(),
): () => void {
  const connection = environment.navigator?.connection;
  let last: boolean | undefined;
  const read = () => {
    const saveData = connection?.saveData === true;
    if (saveData === last) return;
    last = saveData;
    callback(saveData);
  };
  connection?.addEventListener?.('change', read);
  read();
  return () => connection?.removeEventListener?.('change', read);
}
