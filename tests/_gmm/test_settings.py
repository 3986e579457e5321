from skwot import GMMFlowFitter
from skwot._gmm.settings import Settings


def test_defaults_are_those_of_the_estimator():
    parameters = GMMFlowFitter().get_params()
    settings = Settings()._asdict()
    # "auto" depends on where the start comes from.
    assert (parameters.pop("swaps"), settings.pop("swaps")) == ("auto", False)
    assert settings == {name: parameters[name] for name in settings}
