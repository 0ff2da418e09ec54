/** The camera behind `source="camera"`. The stream belongs to the video until `closeCamera`. */
import { StitchError } from '../core/errors';

const REMEDIES: Readonly<Record<string, string>> = {
  NotAllowedError: 'Access was not allowed. Allow it for this page, or in the permissions policy of its frame.',
  SecurityError: 'Access was not allowed. Allow it for this page, or in the permissions policy of its frame.',
  NotFoundError: 'This device has none. Use source="video" or source="img".',
  OverconstrainedError: 'This device has none that fits. Use source="video" or source="img".',
  NotReadableError: 'Another program may be using it.',
};

/**
 * Shows the camera in `video`. `onEnd` is told when it is taken away later: unplugged, or no longer allowed. Errors: frame-invalid,
 * with the remedy; aborted. After an error the camera is off.
 */
export async function openCamera(
  video: HTMLVideoElement,
  signal: AbortSignal,
  onEnd: (error: StitchError) => void,
): Promise<void> {
  // Absent on pages that were not opened over https or from localhost.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) {
    throw new StitchError('frame-invalid', 'There is no camera on an insecure page. Serve it over https or from localhost.');
  }
  let stream: MediaStream;
  try {
    stream = await devices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 640 } }, audio: false });
  } catch (error) {
    const remedy = REMEDIES[error instanceof Error ? error.name : ''] ?? 'Try again, or use another source.';
    throw new StitchError('frame-invalid', `The camera could not be opened. ${remedy}`, {}, error);
  }
  if (signal.aborted) {
    stop(stream);
    throw new StitchError('aborted', 'The camera is not wanted any more.');
  }
  video.srcObject = stream;
  const ended = (): void => {
    if (!signal.aborted)
      onEnd(new StitchError('frame-invalid', 'The camera was taken away. Connect or allow it again, and call restart().'));
  };
  for (const track of stream.getTracks()) track.addEventListener('ended', ended, { once: true });
  // Muted video is rarely refused, as in a low-power mode; there is no picture then.
  await video.play().catch(() => {});
}

/** Lets go of the camera, so that its light goes out. */
export function closeCamera(video: HTMLVideoElement): void {
  if (video.srcObject instanceof MediaStream) stop(video.srcObject);
  video.srcObject = null;
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
