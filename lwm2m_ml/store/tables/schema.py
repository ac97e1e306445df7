"""What every table shares: the names of its constraints, and numbers that the database counts."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives only an INTEGER PRIMARY KEY its own numbers; elsewhere 32 bits are too few.
BigNumber = BigInteger().with_variant(Integer, "sqlite")
