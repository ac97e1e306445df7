"""Between the zoo and the API's schemas."""

from lwm2m_ml.api import views
from lwm2m_ml.client import schemas
from lwm2m_ml.client.schemas import zoo
from lwm2m_ml.service.zoo.model import Calibration, Model, Variant
from lwm2m_ml.service.zoo.zoo import Zoo


def model(zoo: Zoo, fact: Model) -> schemas.Model:
    """One version of a model, with the aliases that name it."""
    aliases = [alias for alias, version in zoo.aliases(fact.name).items() if version == fact.version]
    return schemas.Model(
        name=fact.name,
        version=fact.version,
        description=fact.description,
        licence=fact.licence,
        labels=list(fact.labels),
        variants=[views.as_schema(schemas.Variant, variant) for variant in fact.variants],
        preprocessing=fact.preprocessing,
        data=fact.data,
        aliases=aliases,
    )


def to_model(body: zoo.ModelToAdd) -> Model:
    """What is to be added; weights are counted when the compiler reads the files."""
    calibration = body.calibration
    return Model(
        name=body.name,
        version=body.version,
        description=body.description,
        licence=body.licence,
        labels=tuple(body.labels),
        variants=tuple(
            Variant(one.name, one.digest, 0, one.macs, accuracy=one.accuracy, metrics=one.metrics)
            for one in body.variants
        ),
        calibration=None if calibration is None else Calibration(calibration.digest, calibration.array),
        preprocessing=body.preprocessing,
        data=body.data,
    )
