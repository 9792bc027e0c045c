import type { Explorer } from "../explorer";

/** Where a dataset is named, with a token if it is private. */
export function Chooser({ explorer }: { explorer: Explorer }) {
  const open = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    void explorer.choose(text("dataset"), text("revision"), text("token"));
  };
  return (
    <main class="chooser">
      <form onSubmit={open}>
        <h1>Look at a dataset</h1>
        <p>
          Any dataset that <code>atari-dqn-replay</code> built: on the Hugging Face Hub, or in a folder on a web server
          that understands Range requests. Its files are read in this tab, and nothing is sent elsewhere.
        </p>
        {explorer.problem && (
          <p class="problem" role="alert">
            {explorer.problem}
          </p>
        )}
        <label>
          Dataset
          <input
            name="dataset"
            value={explorer.wanted}
            placeholder="user/name, or https://…"
            autocomplete="off"
            spellcheck={false}
            required={!explorer.settings.dataset}
          />
        </label>
        <label>
          Revision
          <input name="revision" placeholder="main" autocomplete="off" spellcheck={false} />
        </label>
        <label>
          Token, for a private dataset
          <input name="token" type="password" autocomplete="off" />
          <small>Kept in this tab until it is closed or loaded anew, and sent to the Hub alone.</small>
        </label>
        <button type="submit" class="primary">
          Open
        </button>
      </form>
    </main>
  );
}
