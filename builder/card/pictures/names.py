"""Names a game's pictures, which lie beside its page."""

from ...format.games import Game
from ...format.layout import PAGES, page_path
from ...format.preview import preview_path, preview_record_path

CONTACT_SHEET = "contact_sheet"
LEARNING = "learning"
BEST_EPISODE = "best_episode"
COVERAGE = "coverage"

_ALT_TEXTS = {
    CONTACT_SHEET: "{game}: moments of play from the first to the last checkpoint",
    LEARNING: "{game}: returns and actions of each checkpoint",
    BEST_EPISODE: "{game}: an animation of the best complete episode of the expert checkpoint",
    COVERAGE: "{game}: the paths of players on one map, the visits of each field, and what the players share",
}
"""What is seen on each picture, in the order in which they are shown."""

PICTURES = tuple(_ALT_TEXTS)


def picture_path(game: Game, name: str) -> str:
    """Returns the path of a picture in the repo: `games/pong/contact_sheet.webp`."""
    return f"{PAGES}/{game.slug}/{name}.webp"


def paths_beside_data(game: Game) -> list[str]:
    """Returns the paths of all that may lie in a game's folder beside its data: page, pictures, preview."""
    pictures = [picture_path(game, name) for name in PICTURES]
    return [page_path(game.slug), *pictures, preview_path(game), preview_record_path(game)]


def alt_text(game: Game, name: str) -> str:
    """Returns what is seen on a picture, for those who do not see it."""
    return _ALT_TEXTS[name].format(game=game)
