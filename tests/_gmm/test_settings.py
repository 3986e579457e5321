from skwot import GMMFlowFitter
from skwot._gmm.settings import Settings


def test_defaults_are_those_of_the_estimator():
    parameters = GMMFlowFitter().get_params()
    settings = Settings()._asdict()
    assert settings == {name: parameters[name] for name in settings}
