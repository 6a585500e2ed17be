"""The tables, for both dialects."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

#: tables and columns that can be made anew from the others; backups leave them out
DERIVED_TABLES = frozenset({"property_name", "property", "property_change"})
DERIVED_COLUMNS = frozenset({("resource", "indexed_version")})

#: compared byte by byte, as SQLite does, whatever the language of the database
Plain = Text().with_variant(Text(collation="C"), "postgresql")
Identity = BigInteger().with_variant(Integer, "sqlite")

resource = Table(
    "resource",
    metadata,
    Column("id", Identity, primary_key=True, autoincrement=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("name", String(256), nullable=False),
    Column("key", String(256), nullable=False),  # the name in lower case: what is unique
    Column("parent_id", Identity),
    Column("number", Integer),
    Column("status", String(32), nullable=False),
    Column("outcome", String(32)),
    Column("objective", Double),
    Column("created_at", Double, nullable=False),
    Column("modified_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("host", String(256)),
    Column("document", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("schema_version", Integer, nullable=False, server_default="1"),
    Column("due_at", Double),
    Column("lease_owner", String(64)),
    Column("lease_until", Double, nullable=False, server_default="0"),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("indexed_version", Integer),  # what its properties were read from; NULL: they may be old
    UniqueConstraint("account", "region", "kind", "key", name="resource_name"),
    Index("resource_created", "account", "region", "kind", "created_at", "id"),
    Index("resource_child", "parent_id", "number"),
    Index(
        "resource_due", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")
    ),
    Index(
        "resource_live",
        "kind",
        "host",
        "id",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "resource_unindexed",
        "kind",
        "id",
        sqlite_where=text("indexed_version IS NULL"),
        postgresql_where=text("indexed_version IS NULL"),
    ),
    sqlite_autoincrement=True,
)

#: the names of properties: a number for each in an account, region and kind
property_name = Table(
    "property_name",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("count", Integer, nullable=False, server_default="0"),  # of resources that have it
    UniqueConstraint("account", "region", "kind", "name", name="property_name_once"),
)

#: what Search looks in: every value of every resource, see docs/design/search.md
prop = Table(
    "property",
    metadata,
    Column("resource_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", Integer, primary_key=True),
    Column("ordinal", Integer, primary_key=True),  # of the element, in a list
    Column("num", Double),
    Column("txt", Plain),  # as much as fits into an index
    Column("more", Plain),  # the whole text, if that is not all
    Index(
        "property_num",
        "name_id",
        "num",
        "resource_id",
        "ordinal",
        sqlite_where=text("num IS NOT NULL"),
        postgresql_where=text("num IS NOT NULL"),
    ),
    Index(
        "property_txt",
        "name_id",
        "txt",
        "resource_id",
        "ordinal",
        "num",  # always NULL; SQLite asks for it, and would go to the row
        sqlite_where=text("num IS NULL"),
        postgresql_where=text("num IS NULL"),
    ),
    Index(
        "property_long",
        "name_id",
        "resource_id",
        "ordinal",
        sqlite_where=text("more IS NOT NULL"),
        postgresql_where=text("more IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

#: whose properties were written, in the order of transactions: columns in memory follow it
prop_change = Table(
    "property_change",
    metadata,
    Column("seq", Identity, primary_key=True, autoincrement=True),
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

point = Table(
    "point",
    metadata,
    Column("resource_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("host", String(64), nullable=False),
    Column("metric", String(255), nullable=False),
    Column("value", Double, nullable=False),
    Column("at", Double, nullable=False),
    Index("point_metric", "resource_id", "metric", "at"),
    sqlite_with_rowid=False,
)

#: which trial components belong to which trials
trial_member = Table(
    "trial_member",
    metadata,
    Column("trial_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Column("component_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Index("trial_member_component", "component_id", "trial_id"),
    sqlite_with_rowid=False,
)

#: the metrics that were put to a trial component, each with what its values come to; see docs/design/experiments.md
metric_series = Table(
    "metric_series",
    metadata,
    Column("id", Identity, primary_key=True, autoincrement=True),
    Column("resource_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("mean", Double, nullable=False),
    Column("squares", Double, nullable=False),  # sum of squared distances from the mean
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("last", Double, nullable=False),  # the value with the latest time
    Column("last_at", Double, nullable=False),
    UniqueConstraint("resource_id", "name", name="metric_series_once"),
)

#: the values of a series, in the order in which they came
metric_value = Table(
    "metric_value",
    metadata,
    Column("series_id", Identity, ForeignKey("metric_series.id", ondelete="CASCADE"), primary_key=True),
    Column("nth", BigInteger, primary_key=True),
    Column("step", Integer),
    Column("at", Double, nullable=False),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: where trial components are made of jobs, and how far those that were there before have been looked at: from the
#: newest to the oldest
tracking = Table(
    "tracking",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("before_time", Double, nullable=False),  # created_at and id of the last; 0 when all have been
    Column("before_id", Identity, nullable=False),
)

#: the jobs of which they were made
tracked = Table(
    "tracked",
    metadata,
    Column("job_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
)

#: what training jobs read; without a foreign key to them: it stays when they are gone, see docs/design/audit.md
dataset = Table(
    "dataset",
    metadata,
    Column("id", Identity, primary_key=True, autoincrement=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # of all of it
    Column("place", Plain, nullable=False),  # S3Uri, as much as fits into an index
    Column("place_rest", Plain, nullable=False),
    Column("source", String(16), nullable=False),
    Column("objects", BigInteger),  # how many; NULL: nobody knows what it was
    Column("is_whole", Integer, nullable=False),  # 1 when all of them are written
    UniqueConstraint("account", "region", "digest", name="dataset_once"),
    Index("dataset_place", "account", "region", "place"),
    sqlite_autoincrement=True,
)

dataset_object = Table(
    "dataset_object",
    metadata,
    Column("dataset_id", Identity, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
    Column("nth", Integer, primary_key=True),
    Column("location", Plain, nullable=False),  # as much as fits into an index
    Column("rest", Plain, nullable=False),
    Column("etag", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("instance", Integer, nullable=False),  # 0: all
    Index("dataset_object_location", "location", "dataset_id", "nth"),
    sqlite_with_rowid=False,
)

reading = Table(
    "reading",
    metadata,
    Column("job_id", Identity, primary_key=True),  # with created_at: a restored database may give a number again
    Column("created_at", Double, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("channel", String(255), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("read_at", Double, nullable=False),
    Column("dataset_id", Identity, ForeignKey("dataset.id"), nullable=False),
    Index("reading_dataset", "dataset_id", "job_id", "created_at", "attempt", "channel"),
    sqlite_with_rowid=False,
)

host = Table(
    "host",
    metadata,
    Column("id", String(256), primary_key=True),
    Column("seen_at", Double, nullable=False),
)

access_key = Table(
    "access_key",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("secret", String(128), nullable=False),
    Column("account", String(12), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("created_at", Double, nullable=False),
)

image = Table(
    "image",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("command", Text, nullable=False),  # JSON list
    Column("workdir", Text),
    Column("environment", Text, nullable=False, server_default="{}"),  # JSON object
    Column("python", Text),
    Column("binds", Text, nullable=False, server_default="[]"),  # JSON list
    Column("arguments", Text, nullable=False, server_default="[]"),  # JSON list
    Column("created_at", Double, nullable=False),
)

#: artifacts, actions and contexts, which are resources: what can be asked of them, see docs/design/lineage.md
entity = Table(
    "entity",
    metadata,
    Column("resource_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Column("type", String(256), nullable=False),
    Column("source_key", String(32), nullable=False),  # of the SourceUri
    Column("is_made", Integer, nullable=False),  # 1: by the service, not by a request
    Index("entity_source", "source_key", "resource_id"),
    Index("entity_type", "type", "resource_id"),
    Index("entity_asked", "resource_id", sqlite_where=text("is_made = 0"), postgresql_where=text("is_made = 0")),
    sqlite_with_rowid=False,
)

association = Table(
    "association",
    metadata,
    Column("source_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Column("destination_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Column("type", String(32)),
    Column("created_at", Double, nullable=False),
    Column("is_made", Integer, nullable=False),
    Index("association_up", "destination_id", "created_at", "source_id"),
    Index("association_down", "source_id", "created_at", "destination_id"),
    Index("association_created", "created_at", "source_id", "destination_id"),
    Index("association_asked", "source_id", sqlite_where=text("is_made = 0"), postgresql_where=text("is_made = 0")),
    sqlite_with_rowid=False,
)

#: up to which id lineage of training jobs has been read
tracing = Table(
    "tracing",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("seen_to", Identity, nullable=False),
)

#: training jobs up to there that may have to be looked at again
traced = Table(
    "traced",
    metadata,
    Column("job_id", Identity, ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Column("has_ended", Integer, nullable=False),
    Index("traced_living", "job_id", sqlite_where=text("has_ended = 0"), postgresql_where=text("has_ended = 0")),
)
