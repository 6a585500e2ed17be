"""pegbox keys add | list | remove."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from pegbox.cli.options import Account, Home
from pegbox.cli.output import refuse
from pegbox.settings import load

app = typer.Typer(no_args_is_help=True, help="Access keys: who may call, and for which account.")


@app.command()
def add(
    account: Account = None,
    description: Annotated[str, typer.Option(help="Whose key it is, for `pegbox keys list`.")] = "",
    home: Home = None,
) -> None:
    """Make a key and print it.  The secret is shown this once."""
    from pegbox.home import open_store
    from pegbox.keys import new_key

    settings = load({"home": home})
    key = new_key(account or settings.account_id, description, time.time())
    store = open_store(settings)
    store.keys.add(key)
    store.close()
    typer.echo(f"export AWS_ACCESS_KEY_ID={key.id}\nexport AWS_SECRET_ACCESS_KEY={key.secret}")


@app.command("list")
def list_keys(home: Home = None) -> None:
    """List the keys, without their secrets."""
    from pegbox.home import open_store

    store = open_store(load({"home": home}), make=False)
    for key in store.keys.all():
        made = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(key.created_at))
        typer.echo(f"{key.id}  {key.account}  {made}  {key.description}".rstrip())
    store.close()


@app.command()
def remove(key_id: Annotated[str, typer.Argument(help="The access key id.")], home: Home = None) -> None:
    """Remove a key; requests signed with it are refused within seconds."""
    from pegbox.home import open_store

    store = open_store(load({"home": home}), make=False)
    removed = store.keys.remove(key_id)
    store.close()
    if not removed:
        raise refuse(f"there is no access key {key_id}: `pegbox keys list` shows those there are")
